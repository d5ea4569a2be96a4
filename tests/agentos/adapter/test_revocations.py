"""An AgentOS with the adapter refuses revoked tokens on each of its interfaces."""

import time

import pytest
from websockets import CloseCode, ConnectionClosedError

from tests.agentos.adapter.adapted import Apps
from tests.agentos.adapter.fake_issuer import FakeIssuer
from tests.agentos.adapter.surfaces import (
    SURFACES,
    WEBSOCKET,
    Reaction,
    Surface,
    authenticated_socket,
    start_workflow,
)
from tests.agentos.tokens import Tokens

A_MINUTE = 60


def test_revoked_tokens_are_refused_within_one_poll(apps: Apps) -> None:
    """Also tokens that were verified before, and those of a key still in the key set."""
    app = apps["of_many_issuers"]
    issuer = app.others["revoking"]
    stolen = issuer.newest
    issuer.rotate()
    tokens = {surface: tokens_for(issuer, stolen, surface) for surface in SURFACES}
    for surface, each in tokens.items():
        for what, token in each.items():
            assert surface.attempt(app.url, token) is Reaction.ACCEPTED, (surface, what)
    now = int(time.time())
    issuer.revoked = {
        "jti": {f"jti_{surface}": now + 900 for surface in SURFACES},
        "sid": {f"family_{surface}": now + 900 for surface in SURFACES},
        "sub": {"usr_alice": now - A_MINUTE},
        "client_id": {"svc_bob": now},
        "aud": {"gone-os": now},
        "kid": [stolen.kid],
    }
    issuer.wait_for_feeds(2)  # the second begins when the first has been read
    for surface, each in tokens.items():
        for what, token in each.items():
            expected = Reaction.ACCEPTED if what == "good" else Reaction.REFUSED
            assert surface.attempt(app.url, token) is expected, (surface, what)


def tokens_for(issuer: FakeIssuer, stolen: Tokens, surface: Surface) -> dict[str, str]:
    """A token that stays valid, and those that are about to be revoked."""
    return {
        "good": issuer.issue([surface.scope]),
        "jti": issuer.issue([surface.scope], jti=f"jti_{surface}"),
        "sid": issuer.issue([surface.scope], sid=f"family_{surface}"),
        "sub": issuer.issue([surface.scope], iat=int(time.time()) - 2 * A_MINUTE),
        "client_id": issuer.issue([surface.scope], client_id="svc_bob"),
        "audience": issuer.issue([surface.scope], aud=["my-os", "gone-os"]),
        "kid": stolen.issue([surface.scope]),
    }


def test_an_open_websocket_ends_when_its_token_is_revoked(apps: Apps) -> None:
    app = apps["of_many_issuers"]
    issuer = app.others["revoking"]
    stays = issuer.issue([WEBSOCKET.scope])
    goes = issuer.issue([WEBSOCKET.scope], jti="jti_of_a_socket")
    with (
        authenticated_socket(app.url, stays) as kept,
        authenticated_socket(app.url, goes) as ended,
    ):
        assert issuer.revoked is not None
        issuer.revoked = {**issuer.revoked, "jti": {"jti_of_a_socket": int(time.time()) + 900}}
        issuer.wait_for_feeds(2)
        more: list[object] = []
        # The adapter may close the connection before the second message is sent.
        with pytest.raises(ConnectionClosedError) as closed:
            # Not what authenticates there, although it holds a token.
            start_workflow(ended, session_id="of_ended", token=goes, of="authenticate")
            start_workflow(ended)
            while True:
                more.append(ended.recv(timeout=10))
        assert not any("WorkflowStarted" in str(text) for text in more)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == CloseCode.POLICY_VIOLATION
        start_workflow(kept, session_id="of_kept")
        assert any("WorkflowCompleted" in str(text) for text in kept)
    listed = app.os.get("/sessions?type=workflow&limit=100", issuer.issue(["sessions:read"])).text
    assert "of_kept" in listed
    assert "of_ended" not in listed


def test_a_feed_that_was_never_fetched_makes_only_its_issuer_unavailable(apps: Apps) -> None:
    """The revocations of that issuer are unknown; other issuers are not affected."""
    app = apps["of_many_issuers"]
    issuer = app.others["without its feed"]
    for surface in SURFACES:
        expected = Reaction.REFUSED if surface is WEBSOCKET else Reaction.UNAVAILABLE
        assert surface.attempt(app.url, issuer.issue([surface.scope])) is expected, surface
        assert surface.attempt(app.url, app.issuer.issue([surface.scope])) is Reaction.ACCEPTED
    answer = app.os.run(issuer.issue(["agents:run"]), "web")
    assert int(answer.headers["retry-after"]) >= 1
