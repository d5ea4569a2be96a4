"""`issuer user session` and `issuer user consent`."""

import pytest

from issuer.clients.client import ClientFields
from issuer.sign_in.consents_store import AllowedAccess
from issuer.sign_in.sessions import ProviderProof
from tests.builders import OPERATOR
from tests.cli.driver import Cli, Terminal
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


def test_deleting_a_user_says_how_many_sessions_end(cli: Cli, session_id: str):
    declined = cli("user", "delete", "alice", stdin=Terminal("n\n"))
    assert "would delete the user alice with 1 session, 1 consent. Continue?" in declined.err
    assert [each["id"] for each in cli.json("user", "session", "list", "alice")["items"]] == [
        session_id
    ]


def test_a_session_names_the_trusted_issuer_at_which_the_person_signed_in(
    cli: Cli, session_id: str
):
    """Of several accounts, that with which the session began."""
    for issuer in ("entra", "google"):
        url = f"https://{issuer}.example"
        cli.done(
            *("trusted-issuer", "create", issuer, "--issuer", url, "--kind", "people"),
            *("--sign-in-client-id", "ours"),
        )
    linked = {
        issuer: cli.json("user", "identity", "add", "alice", "--issuer", issuer, "--subject", "a")
        for issuer in ("entra", "google")
    }
    with cli.composition() as parts:
        user = parts.tokens.directory.load_user(cli.json("user", "show", "alice")["id"])
        proof = ProviderProof(linked["google"]["id"], parts.clock(), None)
        begun, _ = parts.people.sessions.begin(user, ("fed",), BROWSER, "Safari", provider=proof)
    listed = cli.json("user", "session", "list", "alice")["items"]
    assert {each["id"]: each["trusted_issuer"] for each in listed} == {
        session_id: None,
        begun.id: "google",
    }
    text = cli.done("user", "session", "list", "alice")
    assert ("google" in text, "entra" in text) == (True, False)


def test_consents_are_listed_and_withdrawn(cli: Cli, session_id: str):
    assert session_id
    (listed,) = cli.json("user", "consent", "list", "alice")["items"]
    assert (listed["client_id"], listed["openid_scopes"]) == ("app", ["openid"])
    assert cli.json("user", "consent", "withdraw", "alice", "app") == {"withdrawn": "app"}
    assert cli.json("user", "consent", "list", "alice") == {"items": []}
    assert "no consent" in cli("user", "consent", "withdraw", "alice", "app").sentence
