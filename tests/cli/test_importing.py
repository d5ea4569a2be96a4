"""`issuer user import`."""

from pathlib import Path

import pytest

from tests.cli.driver import Cli
from tests.cli.test_confirming import Meanwhile

# The packages behind it are tested on both databases.
pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"])

PEOPLE = """username,email,name,groups
alice,alice@example.org,Alice A,red;Blue
bob,,,
"""


@pytest.fixture
def people(tmp_path: Path) -> Path:
    path = tmp_path / "people.csv"
    path.write_text(PEOPLE)
    return path


@pytest.fixture
def groups(cli: Cli) -> None:
    for name in ("red", "blue"):
        cli.done("group", "create", name)


def members(cli: Cli, group: str) -> list[str]:
    return [each["username"] for each in cli.json("group", "member", "list", group)["items"]]


def test_users_are_created_with_their_groups(cli: Cli, people: Path, groups: None):
    shown = cli.done("user", "import", str(people), "--yes")
    assert shown.splitlines() == [
        "+ create user alice",
        '    email: "alice@example.org"',
        '    name: "Alice A"',
        "+ create user bob",
        '+ add user "alice" to group "red"',
        '+ add user "alice" to group "blue"',
        "Done: created 2 users, made 2 group memberships.",
    ]
    alice = cli.json("user", "show", "alice")
    assert (alice["email"], alice["email_verified"], alice["name"]) == (
        "alice@example.org", False, "Alice A",
    )  # fmt: skip
    assert members(cli, "red") == members(cli, "blue") == ["alice"]


def test_a_dry_run_changes_nothing(cli: Cli, people: Path, groups: None):
    planned = cli.json("user", "import", str(people), "--dry-run")
    assert [each["action"] for each in planned["changes"]] == ["create", "create"]
    assert planned["memberships"] == [
        {"group": "red", "username": "alice"},
        {"group": "blue", "username": "alice"},
    ]
    assert (planned["dry_run"], planned["unchanged"]) == (True, 0)
    assert cli.json("user", "list")["items"] == []


def test_without_yes_it_asks(cli: Cli, people: Path, groups: None):
    refused = cli("user", "import", str(people))
    assert refused.status == 1
    assert "+ create user alice" in refused.out
    assert refused.err == (
        "This would create 2 users; make 2 group memberships. Add --yes to do it.\n"
    )
    assert cli.json("user", "list")["items"] == []


def test_users_that_exist_are_left_alone(cli: Cli, people: Path, groups: None):
    cli.done("user", "create", "ALICE", "--name", "Somebody")
    shown = cli.done("user", "import", str(people), "--yes")
    assert "1 user stays as it is." in shown
    assert cli.json("user", "show", "alice")["name"] == "Somebody"
    assert members(cli, "red") == []
    assert cli.done("user", "import", str(people), "--yes").endswith(
        "There was nothing to change.\n"
    )


def test_users_that_exist_are_updated_where_the_file_says_something(
    cli: Cli, people: Path, groups: None
):
    cli.done("user", "create", "alice", "--claims", '{"team": "a"}', "--email", "old@example.org")
    cli.done("user", "update", "alice", "--email-verified")
    cli.done("user", "create", "bob", "--name", "Bob", "--email", "bob@example.org")
    cli.done("group", "create", "green")
    cli.done("group", "member", "add", "green", "alice")
    done = cli.json("user", "import", str(people), "--update", "--yes")
    assert [(each["action"], each["username"]) for each in done["changes"]] == [("update", "alice")]
    assert done["unchanged"] == 1
    alice, bob = cli.json("user", "show", "alice"), cli.json("user", "show", "bob")
    assert (alice["email"], alice["email_verified"]) == ("alice@example.org", False)
    assert (alice["claims"], bob["name"], bob["email"]) == (
        {"team": "a"}, "Bob", "bob@example.org",
    )  # fmt: skip
    assert members(cli, "green") == members(cli, "red") == ["alice"]
    again = cli.json("user", "import", str(people), "--update", "--yes")
    assert (again["changes"], again["memberships"], again["unchanged"]) == ([], [], 2)


def test_errors_name_line_and_column_and_nothing_is_changed(cli: Cli, people: Path):
    cli.done("group", "create", "red")
    people.write_text(PEOPLE + "carol,,,green\n")
    refused = cli("user", "import", str(people), "--yes")
    assert (refused.status, refused.out) == (1, "")
    assert refused.err.splitlines() == [
        f"{people}:2: groups: There is no group 'Blue'.",
        f"{people}:4: groups: There is no group 'green'.",
    ]
    people.write_text("username,email\nalice,nobody\n")
    assert cli("user", "import", str(people), "--yes").err == (
        f"{people}:2: email: must look like name@host\n"
    )
    assert cli.json("user", "list")["items"] == []


def test_a_large_file_is_refused(cli: Cli, people: Path):
    with people.open("wb") as sparse:
        sparse.truncate(257 * 1024 * 1024)
    assert "is larger than" in cli("user", "import", str(people)).sentence


def test_who_gets_rights_at_the_issuer_begins_clean(cli: Cli, people: Path):
    cli.done("role", "create", "auditor", "--scope", "issuer:audit:read")
    cli.done("group", "create", "auditors")
    cli.done("group", "role", "assign", "auditors", "auditor", "--everywhere")
    people.write_text("username,groups\nalice,auditors\n")
    cli.done("user", "import", str(people), "--yes")
    assert members(cli, "auditors") == ["alice"]
    assert cli.json("audit", "list", "--action", "group.member_added")["items"]


MANY = 620
LATE = ("user-550", "user-619")


def test_a_large_file_is_imported_in_parts_and_who_failed_is_in_a_file(cli: Cli, people: Path):
    cli.done("group", "create", "red")
    names = [f"user-{number:03}" for number in range(MANY)]
    lines = [f"{name},{'red' if name in LATE else ''}" for name in names]
    people.write_text("\n".join(["username,groups", *lines]))
    planned = cli.json("user", "import", str(people), "--dry-run")
    assert (planned["created"], planned["joined"], planned["dry_run"]) == (MANY, 2, True)

    happens = Meanwhile(lambda: cli.done("group", "delete", "red"))
    done = cli("user", "import", str(people), stdin=happens)
    failed = people.with_suffix(".failed.csv")
    assert "This would create 620 users; make 2 group memberships. Continue?" in done.err
    assert done.status == 1
    assert done.out.strip().splitlines() == [f"Done: created 618 users. Failed: 2, see {failed}."]
    assert [each.partition(",")[0] for each in failed.read_text().splitlines()[1:]] == [*LATE]
    assert failed.read_text().count("There is no group 'red'.") == 2
    assert len(cli.json("user", "list")["items"]) == MANY - len(LATE)

    assert "rename or delete it" in cli("user", "import", str(people), "--yes").sentence
    cli.done("group", "create", "red")
    again = cli.json("user", "import", str(failed), "--yes")
    assert [each["username"] for each in again["changes"]] == [*LATE]
    assert {*members(cli, "red")} == {*LATE}


def test_many_changes_are_cut_and_counted(cli: Cli, people: Path):
    people.write_text("username\n" + "\n".join(f"user-{number}" for number in range(70)))
    shown = cli.done("user", "import", str(people), "--yes").splitlines()
    assert len(shown) == 62
    assert shown[-2:] == [
        "and 10 more lines: --json prints all changes.",
        "Done: created 70 users.",
    ]


def test_a_group_that_does_not_exist_is_refused_before_anything_is_imported(cli: Cli, people: Path):
    people.write_text("username,groups\n" + "\n".join(f"user-{n},red" for n in range(501)))
    refused = cli("user", "import", str(people), "--yes")
    assert refused.err == f"{people}:2: groups: There is no group 'red'.\n"
    assert cli.json("user", "list")["items"] == []
