"""`issuer user session` and `issuer user consent`."""

import pytest

from issuer.clients import ClientFields
from issuer.sign_in.consents_store import AllowedAccess
from tests.builders import OPERATOR
from tests.cli.driver import Cli
from tests.sign_in.authorizing import BROWSER, CALLBACK, GRANTS

# The packages behind it are tested on both databases.
pytestmark = pytest.mark.parametrize("database_kind", ["sqlite"])


@pytest.fixture
def session_id(cli: Cli) -> str:
    """alice, signed in, who allowed a client to learn who she is."""
    user_id = cli.json("user", "create", "alice")["id"]
    with cli.composition() as parts:
        with parts.administration.changing(OPERATOR) as work:
            work.clients.create(
                ClientFields(client_id="app", grant_types=GRANTS, redirect_uris=[CALLBACK])
            )
            allowed = (user_id, "app", None, CALLBACK, frozenset(), frozenset({"openid"}))
            work.consents.grant(AllowedAccess(*allowed))
        user = parts.tokens.directory.load_user(user_id)
        session, _ = parts.people.sessions.begin(user, ("pwd",), BROWSER, "Firefox")
    return session.id


def test_sessions_are_listed_and_ended(cli: Cli, session_id: str):
    assert "Firefox" in cli.done("user", "session", "list", "alice")
    (listed,) = cli.json("user", "session", "list", "alice")["items"]
    assert (listed["id"], listed["methods"]) == (session_id, ["pwd"])
    assert cli.json("user", "session", "end", "alice", session_id) == {"ended": session_id}
    assert cli.json("user", "session", "list", "alice") == {"items": []}
    assert "There is no session" in cli("user", "session", "end", "alice", session_id).sentence


def test_consents_are_listed_and_withdrawn(cli: Cli, session_id: str):
    assert session_id
    (listed,) = cli.json("user", "consent", "list", "alice")["items"]
    assert (listed["client_id"], listed["openid_scopes"]) == ("app", ["openid"])
    assert cli.json("user", "consent", "withdraw", "alice", "app") == {"withdrawn": "app"}
    assert cli.json("user", "consent", "list", "alice") == {"items": []}
    assert "no consent" in cli("user", "consent", "withdraw", "alice", "app").sentence
