"""`issuer review`."""

import csv
import io
from datetime import timedelta

import pytest
from sqlalchemy import update

from issuer.database.tables import ClientRow
from issuer.usage.store import OTHERS, UsageKey, UsageStore
from issuer.usage.usage import day_of
from tests.cli.driver import Cli

HELD = ("agents:run", "sessions:read")


@pytest.fixture
def reviewed(cli: Cli) -> Cli:
    """`ci` ran one agent on each day of a month, and holds more."""
    cli.done("audience", "create", "my-os")
    scopes = (word for scope in HELD for word in ("--scope", scope))
    cli.done("client", "create", "ci", "--name", "=1+1", "--audience", "my-os", *scopes)
    with cli.composition() as composition, composition.database.transaction() as session:
        today = day_of(composition.clock())
        long_ago = today - timedelta(days=60)
        session.execute(update(ClientRow).values(created_at=long_ago, updated_at=long_ago))
        counts = {OTHERS: [0, 0], UsageKey("ci", "ci", "agents:web:run"): [3, 0]}
        for number in range(32):
            UsageStore(session).add("my-os", today - timedelta(days=number), counts)
    return cli


def test_it_says_what_is_not_used_in_words_and_as_json(reviewed: Cli):
    found = reviewed.json("review")
    (unused,) = (each for each in found["findings"] if each["kind"] == "unused")
    assert (unused["audience"], unused["scope"]) == ("my-os", "sessions:read")
    assert unused["sentence"] in reviewed.done("review")


def test_csv_has_a_row_for_each_scope_with_the_line_breaks_of_the_standard(reviewed: Cli):
    """RFC 4180 §2."""
    text = reviewed.done("review", "--csv")
    assert text.count("\r\n") == text.count("\n") == 1 + len(HELD)
    rows = {each["scope"]: each for each in csv.DictReader(io.StringIO(text, newline=""))}
    assert {scope: each["verdict"] for scope, each in rows.items()} == {
        "agents:run": "used",
        "sessions:read": "unused",
    }
    assert rows["agents:run"]["requests"] == str(31 * 3 + 3)


def test_a_proposal_is_printed_and_changes_nothing(reviewed: Cli):
    asked = ("review", "--propose", "ci")
    text, proposal = reviewed.done(*asked), reviewed.json(*asked)
    assert "- agents:web:run" in text
    assert f"`issuer apply --expect {proposal['change_count']}`" in text
    assert proposal["enough"] == {"my-os": ["agents:web:run"]}
    assert reviewed.json("client", "show", "ci")["scopes"] == list(HELD)
    assert "nobody" in reviewed("review", "--propose", "nobody").sentence


@pytest.mark.parametrize(
    "options",
    [
        ("--unused-for", "90m"),
        ("--unused-for", "91d"),
        ("--csv", "--json"),
        ("--csv", "--propose", "ci"),
    ],
)
def test_other_options_are_wrong_usage(cli: Cli, options: tuple[str, ...]):
    assert cli("review", *options).status == 2
