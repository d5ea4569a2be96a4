"""`issuer user factor` and `issuer user invite`."""

from urllib.parse import urlsplit

import pytest
from pyotp import TOTP

from tests.builders import OPERATOR
from tests.cli.driver import Cli

# The packages behind it are tested on both databases.
pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"])


@pytest.fixture
def alice(cli: Cli) -> str:
    return cli.json("user", "create", "alice")["id"]


def with_app(cli: Cli, user_id: str) -> None:
    """An authenticator app, as its page sets it up."""
    with cli.composition() as parts, parts.administration.changing(OPERATOR) as work:
        setup = work.factors.begin_totp(user_id)
        code = TOTP(setup.secret).at(parts.clock())
        work.factors.confirm_totp(user_id, setup.sealed, code)


def test_an_invitation_is_printed_as_a_link_alone(cli: Cli, alice: str):
    link = cli.done("user", "invite", "alice").strip()
    assert urlsplit(link).path.startswith("/invitation/aiv_")
    created = cli.json("user", "invite", "alice", "--lifetime", "24h")
    assert created.keys() == {"id", "url", "expires_at", "replaces"}
    assert created["id"] == alice
    assert cli.json("user", "invite", "alice", "--cancel") == {"cancelled": alice}
    assert "no invitation" in cli("user", "invite", "alice", "--cancel").sentence
    assert "lifetime" in cli("user", "invite", "alice", "--lifetime", "90d").sentence


def test_factors_are_listed_removed_and_reset(cli: Cli, alice: str):
    with_app(cli, alice)
    (factor,) = cli.json("user", "factor", "list", "alice")["items"]
    assert factor["kind"] == "totp"
    assert cli.json("user", "factor", "remove", "alice", factor["id"]) == {"removed": factor["id"]}
    assert "no second factor" in cli("user", "factor", "remove", "alice", factor["id"]).sentence
    with_app(cli, alice)
    assert cli.json("user", "factor", "reset", "alice", "--yes") == {"reset": alice}
    assert cli.json("user", "factor", "list", "alice") == {"items": []}
