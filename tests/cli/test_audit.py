"""`issuer audit`."""

import io
import json
import re
from contextlib import redirect_stderr
from pathlib import Path

import pytest
from sqlalchemy import delete, select, update

from issuer.audit import Actor
from issuer.cli import output
from issuer.cli.opening import operator
from issuer.database.tables import AuditCheckpointRow, AuditEventRow
from tests.cli.driver import Cli

# The packages behind it are tested on both databases.
pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"])


@pytest.fixture
def deployment(cli: Cli) -> Cli:
    cli.done("role", "create", "reader", "--scope", "agents:read")
    cli.done("role", "update", "reader", "--description", "Reads")
    cli.done("user", "create", "alice", "--id", "alice")
    return cli


def test_events_are_listed_newest_first_and_as_many_as_asked(deployment: Cli):
    actions = [event["action"] for event in deployment.json("audit", "list")["items"]]
    assert actions[:3] == ["user.created", "role.updated", "role.created"]
    assert len(deployment.json("audit", "list", "--limit", "2")["items"]) == 2
    assert "changed description of the role reader" in deployment.done("audit", "list")


def test_events_match_all_options(deployment: Cli):
    def matching(*options: str) -> list[tuple[str, str]]:
        events = deployment.json("audit", "list", *options)["items"]
        return [(event["action"], event["target"]) for event in events]

    actor = deployment.json("audit", "list", "--limit", "1")["items"][0]["actor"]
    assert actor.startswith("cli:")
    both = [("role.updated", "reader"), ("role.created", "reader")]
    assert matching("--target", "reader") == both
    assert matching("--target", "reader", "--actor", actor, "--since", "2020-01-01") == both
    assert matching("--target", "reader", "--action", "role.created") == both[1:]
    assert matching("--until", "2020-01-01") == []
    assert matching("--since", "2099-01-01T00:00:00") == []
    for instant in ("2099-01-01T00:00:00Z", "2099-01-01T00:00:00+02:00"):
        assert matching("--since", instant) == []
    assert matching("--target", "reader", "--since", "1h") == both
    deployment.json("user", "create", "bob", "--id", "usr_1")
    assert (
        matching("--target", "bob") == matching("--target", "usr_1") == [("user.created", "usr_1")]
    )
    assert matching("--until", "1h") == []
    assert matching("--target", "reader", "--outcome", "done") == both
    assert matching("--outcome", "refused") == []
    assert deployment("audit", "list", "--outcome", "lost").status == 2
    for nonsense in ("yesterday", "1y", "-1h", "0001-01-01T00:00:00+14:00"):
        assert deployment("audit", "list", "--since", nonsense).status == 2


def test_an_event_shows_token_audience_and_address(deployment: Cli):
    shown = {"jti": "Qb0mDvjl9A3WXxQmJ7wS2w", "audience": "my-os"}
    actor = Actor("ci-bot", None, "2001:db8::7")
    with deployment.composition() as composition, composition.database.changing() as session:
        composition.foundation.trails.begin(session, actor).note("token.issued", "ci-bot", **shown)
    (whole,) = deployment.done("audit", "list", "--limit", "1").splitlines()
    (wide,) = deployment.on_terminal(200, "audit", "list", "--limit", "1")
    assert whole == wide
    assert re.split("  +", wide[20:]) == [
        *("", "done", "ci-bot got a token for my-os", "from 2001:db8::7"),
        "jti Qb0mDvjl9A3WXxQmJ7wS2w",
    ]


def test_an_event_is_one_line_on_any_terminal(deployment: Cli):
    deployment.done("role", "create", "r" * 100, "--scope", "agents:read")
    for columns in (40, 80, 100):
        lines = deployment.on_terminal(columns, "audit", "list", "--limit", "4")
        assert len(lines) == 4
        assert max(map(len, lines)) <= columns
        assert lines[0].endswith("…")
    assert f"created the role {'r' * 79}…" in deployment.done("audit", "list", "--limit", "1")


def test_people_are_named_in_the_list(deployment: Cli):
    deployment.done("user", "create", "bob", "--id", "usr_1")
    deployment.done("user", "role", "assign", "bob", "reader", "--everywhere")
    line = deployment.done("audit", "list", "--limit", "1")
    assert "assigned the role reader to bob everywhere" in line
    assert deployment.json("audit", "list", "--limit", "1")["items"][0]["target"] == "usr_1"
    assert "created the user bob" in deployment.done("audit", "list", "--target", "bob")


def test_an_unknown_action_is_refused_with_the_name_most_like_it(deployment: Cli):
    for verb in ("list", "export", "follow"):
        refused = deployment("audit", verb, "--action", "role.creatd")
        assert refused.status == 2
        assert "Did you mean role.created?" in " ".join(refused.err.split())


@pytest.mark.parametrize("command", ["list", "export"])
def test_an_actor_whom_nobody_knows_is_an_error(deployment: Cli, command: str):
    """A user without events is known, and whoever has events although nobody has that name now."""
    asked = ("audit", command, "--actor")
    sentence = "There is no client or user 'alicia'. Did you mean alice?"
    assert deployment(*asked, "alicia").sentence == sentence
    assert deployment(*asked, "alice").status == 0
    actor = deployment.json("audit", "list", "--limit", "1")["items"][0]["actor"]
    assert "user.created" in deployment.done(*asked, actor, "--json")


def test_an_export_is_every_event_on_a_line_of_its_own(deployment: Cli):
    exported = [json.loads(line) for line in deployment.done("audit", "export").splitlines()]
    assert exported == deployment.json("audit", "list", "--limit", "10000")["items"]
    only = deployment.done("audit", "export", "--target", "alice").splitlines()
    assert [json.loads(line)["action"] for line in only] == ["user.created"]
    assert deployment.done("audit", "export", "--until", "2020-01-01") == ""


@pytest.mark.parametrize("form", [["--format", "jsonl"], ["--json"]])
def test_an_export_is_json_lines_with_and_without_the_option(deployment: Cli, form: list[str]):
    assert deployment.done("audit", "export", *form) == deployment.done("audit", "export")
    assert deployment("audit", "export", "--format", "csv").status == 2


def test_an_export_is_longer_than_a_page(deployment: Cli):
    with (
        deployment.composition() as composition,
        composition.administration.changing(operator()) as work,
    ):
        for _ in range(1_010):
            work.users.update("alice", {"name": "Alice"})
    lines = deployment.done("audit", "export", "--action", "user.updated").splitlines()
    ids = [json.loads(line)["id"] for line in lines]
    assert len(ids) == 1_010
    assert ids == sorted(set(ids), reverse=True)
    assert len(deployment.json("audit", "list", "--limit", "700")["items"]) == 700


def test_events_show_their_place_in_their_chain(deployment: Cli):
    newest, before = deployment.json("audit", "list", "--limit", "2")["items"]
    assert (newest["chain"], newest["seq"]) == ("changes", before["seq"] + 1)
    assert len(bytes.fromhex(newest["hash"])) == 32


def test_an_intact_audit_log_is_verified(deployment: Cli, tmp_path: Path):
    assert "The audit log is intact" in deployment.done("audit", "verify")
    file = tmp_path / "checkpoint.jwt"
    file.write_text(deployment.done("audit", "checkpoint"))
    assert deployment.json("audit", "checkpoint")["checkpoint"] == file.read_text().strip()
    result = deployment.json("audit", "verify", "--checkpoint", str(file))
    assert (result["ok"], result["finding"], result["unanchored"]) == (True, None, 0)
    assert "no checkpoint covers yet: 0." in deployment.done("audit", "verify")


def test_progress_is_shown_on_a_terminal_only(deployment: Cli, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TERM", "xterm")
    screen = io.StringIO()
    screen.isatty = lambda: True  # type: ignore[method-assign]
    with redirect_stderr(screen), output.working("Verifying audit events"):
        pass
    assert "Verifying audit events" in screen.getvalue()
    assert deployment("audit", "verify").err == ""


def test_an_audit_log_that_was_tampered_with_is_refused(deployment: Cli):
    with deployment.composition() as composition, composition.database.engine.begin() as connection:
        row = connection.scalars(
            select(AuditEventRow.id).where(AuditEventRow.action == "role.updated")
        ).one()
        this = AuditEventRow.id == row
        connection.execute(update(AuditEventRow).where(this).values(actor="mallory"))
    assert deployment("audit", "verify").sentence == f"Row {row} was changed, moved or inserted."
    result = deployment("audit", "verify", "--json")
    assert result.status == 1
    assert result.json["finding"]["row"] == row


def test_a_checkpoint_stored_elsewhere_shows_that_the_end_was_deleted(
    deployment: Cli, tmp_path: Path
):
    log = tmp_path / "server.log"
    token = deployment.done("audit", "checkpoint").strip()
    log.write_text(f"2026-11-26 [info] audit_checkpoint number=1 token={token}\n")
    with deployment.composition() as composition, composition.database.engine.begin() as connection:
        newest = select(AuditEventRow.id).order_by(AuditEventRow.id.desc()).limit(1)
        connection.execute(
            delete(AuditEventRow).where(AuditEventRow.id == newest.scalar_subquery())
        )
        connection.execute(delete(AuditCheckpointRow))
    assert deployment.json("audit", "verify")["ok"]
    printed = deployment("audit", "verify", "--checkpoint", str(log)).sentence
    assert "The chain was cut off after row" in printed
    log.write_text("nothing\n")
    assert "no checkpoint in" in deployment("audit", "verify", "--checkpoint", str(log)).sentence
    missing = deployment("audit", "verify", "--checkpoint", str(tmp_path / "none"))
    assert "cannot be read: No such file" in missing.sentence


def test_the_event_of_an_exchange_says_who_acts_for_whom(deployment: Cli):
    chain = {"actors": ["archivist", "agents"], "subject_token": "jti-of-agents"}
    with (
        deployment.composition() as composition,
        composition.administration.auditing(Actor("archivist")) as trail,
    ):
        trail.note("token.issued", "alice", **chain)
    printed = deployment.done("audit", "list", "--limit", "1")
    assert "archivist got a token on behalf of alice through agents, then archivist" in printed
    assert "exchanged jti-of-agents" in printed
