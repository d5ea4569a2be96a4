"""The adapter in each configuration of an AgentOS."""

import json
from copy import copy

import httpx
import pytest
from websockets.sync.client import connect

from tests.agentos.adapter.adapted import AdaptedApp, Apps
from tests.agentos.adapter.names import COOKIE
from tests.agentos.adapter.surfaces import (
    MCP,
    REST,
    WEBSOCKET,
    Reaction,
    Surface,
    everywhere,
)
from tests.agentos.tokens import Tokens
from tests.journeys.running_issuer import wait_until
from tests.rows import rows

CONFIGURATIONS = (
    "with_mcp_auth",
    "by_hand",
    "manual_subclass",
    "mounted",
    "mounted_behind_middleware",
)


@everywhere
@rows("name", CONFIGURATIONS)
def test_every_interface_requires_a_token_of_the_issuer(
    configured: Apps, name: str, surface: Surface
) -> None:
    app = configured[name]
    assert surface.attempt(app.url, None) is Reaction.REFUSED
    assert surface.attempt(app.url, app.issuer.issue([surface.scope])) is Reaction.ACCEPTED
    for faulty in ({"audience": "your-os"}, {"iss": None}, {"exp": None}, {"sub": "sa:x"}):
        token = app.issuer.issue(["agent_os:admin"], **faulty)
        assert surface.attempt(app.url, token) is Reaction.REFUSED, faulty


@rows("surface", [REST, WEBSOCKET])
@rows("name", CONFIGURATIONS)
def test_every_configuration_enforces_scopes(configured: Apps, name: str, surface: Surface) -> None:
    app = configured[name]
    assert surface.attempt(app.url, app.issuer.issue([surface.narrower])) is Reaction.FORBIDDEN


def test_an_existing_app_keeps_its_own_routes(configured: Apps) -> None:
    """And they require a token, too."""
    app = configured["by_hand"]
    assert app.os.get("/own", app.issuer.issue()).json() == "mine"
    assert app.os.get("/own", None).status_code == 401


def test_a_token_in_a_cookie_is_accepted(configured: Apps) -> None:
    app = configured["manual"]
    token = app.issuer.issue(permissions=["agents:web:read"])
    assert agents_by_cookie(app, token).json()[0]["id"] == "web"
    assert app.os.list_agents(token) == {"web"}
    assert agents_by_cookie(app, app.issuer.issue(["agents:read"])).status_code == 403
    foreign = app.issuer.new_key(app.issuer.newest.kid).issue(permissions=["agents:read"])
    assert agents_by_cookie(app, foreign).status_code == 401


@rows("name", ["by_hand", "mounted", "mounted_behind_middleware"])
@rows("path", ["/mcp", "/agents"])
def test_options_is_answered_without_a_token(configured: Apps, name: str, path: str) -> None:
    http = configured[name].os.http
    preflight = {"Origin": "http://localhost:3000", "Access-Control-Request-Method": "POST"}
    assert http.options(path).status_code in {404, 405}
    assert http.options(path, headers=preflight).status_code == 200


def test_the_header_takes_precedence_over_the_cookie(configured: Apps) -> None:
    """`TokenSource.BOTH`: the cookie is read only without a header."""
    app = configured["manual"]
    web, billing, bad = (
        app.issuer.issue(permissions=["agents:web:read"]),
        app.issuer.issue(permissions=["agents:billing:read"]),
        app.issuer.new_key(app.issuer.newest.kid).issue(permissions=["agents:read"]),
    )
    assert agents_by_both(app, header=web, cookie=billing).json()[0]["id"] == "web"
    assert agents_by_both(app, header=billing, cookie=web).json()[0]["id"] == "billing"
    assert agents_by_both(app, header=web, cookie=bad).status_code == 200
    assert agents_by_both(app, header=bad, cookie=web).status_code == 401


def test_cookies_are_ignored_unless_configured(configured: Apps) -> None:
    app = configured["by_hand"]
    good = app.issuer.issue(["agents:read"])
    cookie = {"Cookie": f"{COOKIE}={good}; access_token={good}"}
    assert app.os.http.get("/agents", headers=cookie).status_code == 401
    bad = {"Authorization": f"Bearer {good}x"}
    assert app.os.http.get("/agents", headers={**cookie, **bad}).status_code == 401


def test_a_websocket_reads_its_token_from_the_message_only(configured: Apps) -> None:
    app = configured["manual"]
    token = app.issuer.issue(permissions=["workflows:run"])
    headers = {"Authorization": f"Bearer {token}", "Cookie": f"{COOKIE}={token}"}
    url = f"ws{app.url.removeprefix('http')}/workflows/ws"
    with connect(url, additional_headers=headers, proxy=None) as socket:
        socket.send(json.dumps({"action": "start-workflow", "workflow_id": "intake"}))
        events = {json.loads(socket.recv())["event"] for _ in range(2)}
    assert "auth_required" in events


def test_a_token_of_a_new_key_in_a_cookie_is_accepted(configured: Apps) -> None:
    app = configured["manual"]
    app.issuer.rotate()
    token = app.issuer.issue(permissions=["agents:web:read"])
    assert agents_by_cookie(app, token).status_code == 200


def test_a_verifier_that_was_never_attached_logs_it_once_and_still_polls(
    configured: Apps,
) -> None:
    app = configured["unattached"]
    assert app.os.list_agents(app.issuer.issue(["agents:read"])) == {"web", "billing"}
    app.issuer.rotate()
    token = app.issuer.issue(["agents:read"])
    wait_until(
        lambda: app.os.get("/agents", token).status_code == 200, 10, "the new key was fetched"
    )
    output = app.os.output.read_text()
    assert output.count(f"The Verifier of {app.issuer.url} was never attached") == 1
    assert output.count("was never attached") == 1


def test_scopes_in_a_claim_of_another_name_are_enforced_on_a_websocket(configured: Apps) -> None:
    app = configured["manual"]
    named, unnamed = (
        app.issuer.issue(permissions=["workflows:intake:run"]),
        app.issuer.issue(["workflows:intake:run"]),
    )
    assert WEBSOCKET.attempt(app.url, named) is Reaction.ACCEPTED
    assert WEBSOCKET.attempt(app.url, unnamed) is Reaction.FORBIDDEN


def test_users_see_only_their_own_sessions(configured: Apps) -> None:
    """`user_isolation=True`."""
    app = configured["manual"]
    alice, bob = (
        app.issuer.issue(sub=sub, permissions=["agents:run", "sessions:read"])
        for sub in ("usr_alice", "usr_bob")
    )
    assert app.os.run(alice, "web", session_id="ses_of_alice").status_code == 200
    assert sessions(app, alice) == {"ses_of_alice"}
    assert sessions(app, bob) == set()


@everywhere
def test_a_static_key_of_another_issuer_is_still_accepted(
    configured: Apps, control_plane: Tokens, surface: Surface
) -> None:
    """For any audience, but never for our issuer (RFC 8725 §3.8)."""
    app = configured["with_mcp_auth"]
    theirs = control_plane.issue([surface.scope], audience="os-1")
    assert surface.attempt(app.url, theirs) is Reaction.ACCEPTED
    pretended = control_plane.issue(["agent_os:admin"], iss=app.issuer.url)
    assert surface.attempt(app.url, pretended) is Reaction.REFUSED
    under_our_kid = copy(control_plane)
    under_our_kid.kid = app.issuer.newest.kid
    pretended = under_our_kid.issue(["agent_os:admin"], iss=app.issuer.url)
    assert surface.attempt(app.url, pretended) is Reaction.REFUSED


def test_the_provider_of_mcp_keeps_its_own_tokens(configured: Apps) -> None:
    app = configured["with_mcp_auth"]
    assert MCP.attempt(app.url, "of-the-provider") is Reaction.FORBIDDEN
    assert REST.attempt(app.url, "of-the-provider") is Reaction.REFUSED


@pytest.mark.parametrize("name", ["unused_subclass", "unused_mounted"])
def test_a_websocket_requires_a_token_before_the_first_http_request(
    configured: Apps, name: str
) -> None:
    """Stock agno leaves it open until the first HTTP request, or permanently."""
    app = configured[name]
    assert WEBSOCKET.attempt(app.url, None) is Reaction.REFUSED
    assert WEBSOCKET.attempt(app.url, app.issuer.issue(["workflows:run"])) is Reaction.ACCEPTED


@everywhere
def test_an_agent_os_without_the_adapter_is_not_affected(
    configured: Apps, control_plane: Tokens, surface: Surface
) -> None:
    """Files and static keys work as in stock agno, including what it does not check."""
    for name, keys in (
        ("stock", configured["stock"].issuer.newest),
        ("stock_with_static_key", control_plane),
    ):
        url = configured[name].url
        careless = {"typ": None, "exp": None, "iss": None, "aud": None}
        assert surface.attempt(url, keys.issue([surface.scope], **careless)) is Reaction.ACCEPTED
        assert surface.attempt(url, keys.issue([surface.narrower])) is Reaction.FORBIDDEN
        assert (
            surface.attempt(url, Tokens(kid=keys.kid).issue(["agent_os:admin"])) is Reaction.REFUSED
        )


def agents_by_cookie(app: AdaptedApp, token: str) -> httpx.Response:
    return app.os.http.get("/agents", headers={"Cookie": f"{COOKIE}={token}"})


def agents_by_both(app: AdaptedApp, header: str, cookie: str) -> httpx.Response:
    headers = {"Authorization": f"Bearer {header}", "Cookie": f"{COOKIE}={cookie}"}
    return app.os.http.get("/agents", headers=headers)


def sessions(app: AdaptedApp, token: str) -> set[str]:
    answer = app.os.http.get(
        "/sessions", params={"type": "agent"}, headers={"Authorization": f"Bearer {token}"}
    )
    return {session["session_id"] for session in answer.json()["data"]}
