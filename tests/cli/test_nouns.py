"""What the nouns share: verbs, JSON, errors, and the actor in the audit log."""

import json
import os
import pwd
from pathlib import Path

import pytest
from sqlalchemy import text

from issuer.groups import GroupFields
from tests.builders import OPERATOR, URL
from tests.cli.driver import Cli
from tests.rows import rows

CREATED = {
    "audience": ["my-os"],
    "role": ["reader", "--scope", "agents:read"],
    "client": ["ci-bot"],
    "user": ["alice", "--id", "alice"],
    "group": ["platform", "--id", "platform"],
}
UPDATED = {
    "audience": (["my-os", "--name", "Ours"], {"name": "Ours"}),
    "role": (["reader", "--description", "Reads"], {"description": "Reads"}),
    "client": (["ci-bot", "--name", "CI"], {"name": "CI"}),
    "user": (["alice", "--name", "Alice"], {"name": "Alice"}),
    "group": (["platform", "--external-id", "42"], {"external_id": "42"}),
}
ONLY_LISTED = {
    "client": ("roles", "last_used_at"),
    "user": ("roles", "states", "last_sign_in_at"),
}
NOUNS = list(CREATED)

# The packages behind it are tested on both databases.
on_sqlite = pytest.mark.parametrize("database_kind", ["sqlite"])


@rows("noun", [*NOUNS])
def test_a_resource_from_creation_to_deletion(cli: Cli, noun: str):
    name, (arguments, changed) = CREATED[noun][0], UPDATED[noun]
    created = cli.json(noun, "create", *CREATED[noun])
    created.pop("client_secret", None)
    shown = cli.json(noun, "show", name)
    assert created.items() <= shown.items()  # a user has counts of attempts besides
    (listed,) = (
        each
        for each in cli.json(noun, "list")["items"]
        if name in (each.get("client_id"), each.get("username"), each.get("id"), each.get("name"))
    )
    assert listed == created | {each: listed[each] for each in ONLY_LISTED.get(noun, ())}
    updated = cli.json(noun, "update", *arguments)
    assert updated == created | changed | {"updated_at": updated["updated_at"]}
    assert cli.json(noun, "delete", name) == {"deleted": name}
    missing = cli(noun, "show", name).sentence
    assert missing == f"There is no {noun} {name!r}. See `issuer {noun} list`."


@on_sqlite
@pytest.mark.parametrize("noun", NOUNS)
def test_the_text_output_names_the_resource(cli: Cli, noun: str):
    name = CREATED[noun][0]
    assert name in cli.done(noun, "create", *CREATED[noun])
    assert name in cli.done(noun, "list")
    assert name in cli.done(noun, "show", name)
    assert cli.done(noun, "delete", name) == f"Deleted the {noun} {name}.\n"


@on_sqlite
@pytest.mark.parametrize("noun", NOUNS)
def test_an_existing_resource_is_not_created_again(cli: Cli, noun: str):
    cli.done(noun, "create", *CREATED[noun])
    assert "is taken" in cli(noun, "create", *CREATED[noun]).sentence


@on_sqlite
@pytest.mark.parametrize("noun", NOUNS)
def test_nothing_to_change_is_wrong_usage(cli: Cli, noun: str):
    cli.done(noun, "create", *CREATED[noun])
    result = cli(noun, "update", CREATED[noun][0])
    assert (result.status, result.out) == (2, "")


@on_sqlite
@rows("verb", ["show", "update", "delete"])
@rows("noun", [*NOUNS])
def test_an_unknown_resource_is_one_sentence(cli: Cli, noun: str, verb: str):
    options = UPDATED[noun][0][1:] if verb == "update" else []
    sentence = cli(noun, verb, "unknown", *options).sentence
    assert sentence == f"There is no {noun} 'unknown'. See `issuer {noun} list`."


@on_sqlite
def test_a_long_list_is_complete_or_limited(cli: Cli):
    with cli.composition() as composition, composition.database.transaction() as session:
        session.execute(
            text(
                "INSERT INTO roles (name, description, scopes, version, created_at, updated_at)"
                " VALUES (:name, '', '[]', 1, '2026-11-25', '2026-11-25')"
            ),
            [{"name": f"role-{number:04}"} for number in range(1_001)],
        )
    names = [role["name"] for role in cli.json("role", "list")["items"]]
    assert names == [f"role-{number:04}" for number in range(1_001)]
    for limit in (1, 500, 501):
        items = cli.json("role", "list", "--limit", str(limit))["items"]
        assert [role["name"] for role in items] == names[:limit]


@on_sqlite
def test_users_and_groups_are_listed_in_order_of_name(cli: Cli):
    """On every page: ids are in another order."""
    for name in ("carol", "Alice", "bob"):
        cli.done("user", "create", name)
    users = ["Alice", "bob", "carol"]
    assert [each["username"] for each in cli.json("user", "list")["items"]] == users
    assert [e["username"] for e in cli.json("user", "list", "--limit", "2")["items"]] == users[:2]
    names = [f"group {number:03}" for number in range(501)]
    with cli.composition() as parts, parts.administration.changing(OPERATOR) as work:
        for name in reversed(names):
            work.groups.create(GroupFields(name=name))
    assert [each["name"] for each in cli.json("group", "list")["items"]] == names


@on_sqlite
def test_names_are_not_markup(cli: Cli):
    cli.done("client", "create", "ci-bot", "--name", "[red]:smile:[/red]")
    assert "[red]:smile:[/red]" in cli.done("client", "show", "ci-bot")
    cli.done("role", "create", "reader", "--description", "[red]:smile:[/red]")
    assert "[red]:smile:[/red]" in cli.done("role", "list")


@on_sqlite
def test_an_audience_in_use_goes_only_with_cascade(cli: Cli):
    cli.done("audience", "create", "my-os", "--access-token-ttl", "10m", "--include-roles")
    cli.done("client", "create", "ci-bot", "--audience", "my-os")
    assert "in use by client ci-bot" in cli("audience", "delete", "my-os").sentence
    cli.done("audience", "delete", "my-os", "--cascade", "--yes")
    assert cli.json("client", "show", "ci-bot")["audiences"] == []


@on_sqlite
def test_the_issuers_own_audience_stays(cli: Cli):
    assert "cannot be deleted" in cli("audience", "delete", URL, "--cascade").sentence


@on_sqlite
def test_a_lifetime_is_a_duration_or_none(cli: Cli):
    created = cli.json("audience", "create", "my-os", "--access-token-ttl", "10m")
    assert created["access_token_ttl"] == 600
    for lifetime, seconds in [("90", 90), ("24h", 86_400), ("none", None)]:
        updated = cli.json("audience", "update", "my-os", "--access-token-ttl", lifetime)
        assert updated["access_token_ttl"] == seconds
    assert cli("audience", "update", "my-os", "--access-token-ttl", "soon").status == 2
    assert "60 to 86400" in cli("audience", "update", "my-os", "--access-token-ttl", "2d").sentence


@on_sqlite
def test_a_role_gains_and_loses_scopes(cli: Cli):
    cli.done("role", "create", "reader", "--scope", "agents:read", "--scope", "teams:read")
    update = ["role", "update", "reader"]
    changed = cli.json(*update, "--add-scope", "sessions:read", "--remove-scope", "agents:read")
    assert changed["scopes"] == ["teams:read", "sessions:read"]
    assert (
        cli(*update, "--remove-scope", "agents:run").sentence == "There is no scope 'agents:run'."
    )
    assert cli(*update, "--scope", "a:b", "--add-scope", "c:d").status == 2
    assert cli.json(*update, "--scope", "", "--yes")["scopes"] == []


@pytest.mark.parametrize("way", ["host"])
def test_the_audit_log_names_the_system_user(cli: Cli):
    cli.done("role", "create", "reader")
    with cli.composition() as composition, composition.database.reading() as session:
        actors = session.scalars(
            text("SELECT actor FROM audit_events WHERE action = 'role.created'")
        ).all()
    assert actors == [f"cli:{pwd.getpwuid(os.geteuid()).pw_name}"]


def test_a_refused_command_changes_nothing(cli: Cli):
    cli.done("client", "create", "ci-bot", "--scope", "agents:read")
    before = cli.json("client", "show", "ci-bot")
    refused = ["--name", "Other", "--add-scope", "a::b"]
    assert cli("client", "update", "ci-bot", *refused).sentence.startswith("scopes.1: must be")
    assert cli.json("client", "show", "ci-bot") == before


@on_sqlite
@pytest.mark.parametrize("claims", ["{", "[]", "null", "@/nowhere", "[" * 100_000])
def test_claims_that_are_no_json_object_are_wrong_usage(cli: Cli, claims: str):
    result = cli("client", "create", "ci-bot", "--claims", claims)
    assert (result.status, result.out) == (2, "")


@on_sqlite
def test_claims_come_from_an_argument_or_a_file(cli: Cli, tmp_path: Path):
    file = tmp_path / "claims.json"
    file.write_text(json.dumps({"tenant": "b", "tier": 1}))
    created = cli.json("user", "create", "alice", "--claims", '{"tenant": "a", "team": "x"}')
    updated = cli.json("user", "update", "alice", "--claims", f"@{file}")
    cleared = cli.json("user", "update", "alice", "--claims", '{"tenant": null}')
    assert created["claims"] == {"tenant": "a", "team": "x"}
    assert updated["claims"] == {"tenant": "b", "team": "x", "tier": 1}
    assert cleared["claims"] == {"team": "x", "tier": 1}


@on_sqlite
def test_the_resources_of_an_audience_are_replaced(cli: Cli):
    urls = ["https://os.example", "https://os.example/mcp"]
    cli.done("audience", "create", "my-os", "--resource", urls[0])
    options = [word for url in urls for word in ("--resource", url)]
    assert cli.json("audience", "update", "my-os", *options)["resources"] == urls
    assert cli.json("audience", "update", "my-os", "--resource", "", "--yes")["resources"] == []
