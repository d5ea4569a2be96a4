"""`issuer key rotate`, `revoke` and `rewrap`."""

import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from issuer.keys.sealing import new_master_key
from issuer.provisioning.setup import initialise
from issuer.settings import Settings
from tests.builders import OPERATOR, FakeClock
from tests.cli.driver import Cli
from tests.verifiers.reporting import left_out, report

# The packages behind it are tested on both databases.
on_sqlite = pytest.mark.parametrize("database_kind", ["sqlite"])
NOT_YET = (
    r"The next ES256 key may not sign before \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC:"
    r" until then, a verifier may hold a key set without it\."
)


@pytest.fixture
def older(new_cli: Cli, migrated_database_url: str) -> Cli:
    """Initialised two days ago, so that the next key may sign."""
    return two_days_old(new_cli.with_environment(ISSUER_DATABASE_URL=migrated_database_url))


def two_days_old(cli: Cli) -> Cli:
    clock = FakeClock()
    clock.now = datetime.now(UTC) - timedelta(days=2)
    initialise(Settings.from_environment(cli.environment), OPERATOR, clock)
    return cli


def states(cli: Cli) -> list[tuple[str, str]]:
    """Kid and state, newest first."""
    return [(key["kid"], key["state"]) for key in cli.json("key", "list")["items"]]


def audited(cli: Cli, action: str) -> set[str]:
    """The targets of that action, done on the command line."""
    events = cli.json("audit", "list", "--action", action)["items"]
    return {each["target"] for each in events if each["actor"].startswith("cli:")}


def test_a_key_that_was_announced_too_recently_is_not_activated(cli: Cli):
    before = states(cli)
    assert re.fullmatch(NOT_YET, cli("key", "rotate").sentence)
    assert re.fullmatch(NOT_YET, cli("key", "rotate", "--alg", "ES256", "--json").error)
    assert states(cli) == before


@on_sqlite
def test_a_rotation_waits_for_live_verifiers_unless_it_is_forced(older: Cli):
    older.done("audience", "create", "my-os")
    with older.composition() as parts:
        parts.protocol.verifiers.note(report(["old"]), "192.0.2.1")
        parts.protocol.verifiers.write()
    (next_key, _), *_ = before = states(older)
    (listed,) = older.json("verifier", "list")["items"]
    assert (listed["address"], listed["live"]) == ("192.0.2.1", True)
    assert listed["missing_kid"] == next_key
    assert "lacked" in older.done("verifier", "list")
    refused = older("key", "rotate").sentence
    assert f"lacks the next ES256 key {next_key}" in refused
    assert "my-os at 192.0.2.1" in refused
    assert states(older) == before
    assert older.json("key", "rotate", "--force")["items"][1]["kid"] == next_key


@on_sqlite
def test_a_rotation_waits_for_verifiers_that_were_left_out_unless_it_is_forced(older: Cli):
    older.done("audience", "create", "my-os")
    (next_key, _), *_ = before = states(older)
    with older.composition() as parts:
        left_out(parts, [kid for kid, _ in before])
    assert "About 3 verifiers were left out" in older("verifier", "list").warnings[0]
    assert "were left out" in older("key", "rotate").sentence
    assert states(older) == before
    assert older.json("key", "rotate", "--force")["items"][1]["kid"] == next_key


def test_the_next_key_signs_and_another_is_announced(older: Cli):
    (next_key, _), (active, _) = states(older)
    items = older.json("key", "rotate")["items"]
    (fresh, state), *others = [(key["kid"], key["state"]) for key in items]
    assert others == [(next_key, "active"), (active, "retired")]
    assert (state, fresh in {next_key, active}) == ("announced", False)
    assert states(older) == [(fresh, "announced"), *others]
    assert audited(older, "key.activated") == {next_key}
    assert re.fullmatch(NOT_YET, older("key", "rotate").sentence)


def test_the_table_shows_what_each_key_does(older: Cli):
    shown = older.done("key", "rotate")
    assert all(kid in shown for kid, _ in states(older))
    assert "published until" in shown


@on_sqlite
def test_one_algorithm_rotates_or_all_or_none(
    new_cli: Cli, migrated_database_url: str, environment: dict[str, str]
):
    two = {"ISSUER_SIGNING_ALGORITHMS": "EdDSA,ES256", "ISSUER_DATABASE_URL": migrated_database_url}
    cli = two_days_old(new_cli.with_environment(**two))
    cli.done("key", "rotate", "--alg", "ES256")
    keys = cli.json("key", "list")["items"]
    before = Counter((key["alg"], key["state"]) for key in keys)
    assert (before["ES256", "retired"], before["EdDSA", "retired"]) == (1, 0)
    assert re.fullmatch(NOT_YET, cli("key", "rotate").sentence)
    assert cli.json("key", "list")["items"] == keys


@on_sqlite
def test_an_algorithm_that_is_not_configured_is_refused(cli: Cli):
    printed = cli("key", "rotate", "--alg", "RS256").sentence
    assert printed == "ISSUER_SIGNING_ALGORITHMS does not name RS256."
    assert cli("key", "rotate", "--alg", "HS256").status == 2


def test_the_next_key_replaces_a_revoked_one_and_another_is_announced(cli: Cli):
    (next_key, _), (active, _) = states(cli)
    printed = cli.done("key", "revoke", active)
    assert printed == (
        f"Revoked {active}. The issuer refuses its tokens within a second,"
        " verifiers within 300 s.\n"
    )
    (fresh, state), *others = states(cli)
    assert others == [(next_key, "active"), (active, "destroyed")]
    assert (state, fresh in {next_key, active}) == ("announced", False)
    assert audited(cli, "key.revoked") == {active}
    assert audited(cli, "key.activated") == {next_key}


def test_revoking_twice_is_once(cli: Cli):
    kid = states(cli)[0][0]
    once = cli.json("key", "revoke", kid)
    assert (once["kid"], once["state"], once["revoked_at"] is not None) == (kid, "destroyed", True)
    after = states(cli)
    assert cli.json("key", "revoke", kid) == once
    assert states(cli) == after


@on_sqlite
def test_an_unknown_key_is_not_revoked(cli: Cli):
    before = states(cli)
    assert cli("key", "revoke", "unknown").sentence == "There is no key 'unknown'."
    assert cli("key", "revoke").status == 2
    assert states(cli) == before


def test_the_file_of_the_master_key_is_named(cli: Cli, data_dir: Path):
    before = states(cli)
    assert cli.json("key", "rewrap", "--yes") == {"keys": 2, "file": str(data_dir / "master.key")}
    printed = cli.done("key", "rewrap", "--yes")
    assert printed.startswith("Rewrapped 2 keys. Keep the new master key:")
    assert states(cli) == before
    assert audited(cli, "key.rewrapped") == {"master-key"}


def test_the_new_key_stands_before_the_old_one_in_the_environment(new_cli: Cli, data_dir: Path):
    old, new = (new_master_key(lambda n, c=c: c * n) for c in (b"o", b"n"))
    cli = new_cli.with_environment(ISSUER_MASTER_KEY=old)
    cli.done("init")
    assert "put the new one before it" in cli("key", "rewrap", "--yes").sentence
    both = cli.with_environment(ISSUER_MASTER_KEY=f"{new} {old}")
    assert both.json("key", "rewrap", "--yes") == {"keys": 2, "file": None}
    assert "master key is not the one" in cli("key", "list").sentence
    assert len(states(cli.with_environment(ISSUER_MASTER_KEY=new))) == 2
    assert not (data_dir / "master.key").exists()
