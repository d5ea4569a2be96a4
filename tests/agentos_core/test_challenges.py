"""Challenges of an app that stands in for an AgentOS."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from issuer.agentos import Verifier
from issuer.agentos.errors import InvalidConfiguration
from issuer.agentos.key_fetching import TokenPlaces
from issuer.agentos.protected_resource import WELL_KNOWN, Challenges, ProtectedResources
from tests.rows import rows

URL = "https://os.example"
Header = tuple[bytes, bytes]


def asked(
    method: str = "GET",
    path: str = "/agents",
    *,
    status: int = 401,
    answers: Sequence[Header] = (),
    sends: Sequence[Header] = (),
    paths: Sequence[str] = ("", "/mcp"),
    scopes: Sequence[str] = (),
    cookies: Sequence[str] = (),
    url: str = URL,
) -> tuple[int, list[Header], bytes]:
    """The answer of an app that answers `status` with the headers `answers`."""
    sent: list[Any] = []

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": status, "headers": list(answers)})
        await send({"type": "http.response.body", "body": b"of the app"})

    async def send(message: Any) -> None:
        sent.append(message)

    resources = ProtectedResources(url, paths, ["https://id.example"], scopes)
    layer = Challenges(app, resources, TokenPlaces(["authorization"], cookies), lambda _: ())
    scope = {"type": "http", "method": method, "path": path, "headers": list(sends)}
    asyncio.run(layer(scope, None, send))  # type: ignore[arg-type]
    start, body = sent
    return start["status"], start["headers"], body["body"]


def challenges(headers: list[Header]) -> list[str]:
    return [value.decode() for name, value in headers if name == b"www-authenticate"]


def test_challenge_scopes_are_in_the_challenge_and_the_document():
    _, headers, _ = asked(scopes=["agents:run", "agents:read"])
    assert 'scope="agents:run agents:read"' in challenges(headers)[0]
    _, _, document = asked(path=WELL_KNOWN, scopes=["agents:run", "agents:read"])
    assert b'"scopes_supported": ["agents:run", "agents:read"]' in document


def test_a_challenge_replaces_one_of_the_same_scheme_and_precedes_others():
    """Clients read the first one."""
    stock = [(b"www-authenticate", b"Basic realm=x"), (b"WWW-Authenticate", b"Bearer")]
    _, headers, _ = asked(answers=stock)
    assert challenges(headers) == [
        f'Bearer resource_metadata="{URL}{WELL_KNOWN}"',
        "Basic realm=x",
    ]


def test_a_token_in_a_cookie_is_an_invalid_one():
    """RFC 6750 §3.1."""
    cookie = [(b"cookie", b"session=x")]
    _, headers, _ = asked(sends=cookie, cookies=["session"])
    assert 'error="invalid_token"' in challenges(headers)[0]
    _, headers, _ = asked(sends=cookie)
    assert "error" not in challenges(headers)[0]


@rows("status", [200, 302, 403, 404, 500, 503])
def test_other_answers_are_unchanged(status: int):
    assert asked(status=status) == (status, [], b"of the app")


def test_parts_that_need_no_token_of_ours_are_unchanged():
    assert asked(path="/own", paths=["/os", "/os/mcp"]) == (401, [], b"of the app")
    assert asked(path="/osx", paths=["/os"]) == (401, [], b"of the app")


@rows("path", ["/mcp", "/mcp/", "/mcp/server/tools"])
def test_what_is_below_an_mcp_endpoint_has_its_metadata(path: str):
    assert challenges(asked(path=path)[1]) == [f'Bearer resource_metadata="{URL}{WELL_KNOWN}/mcp"']


def test_a_document_has_a_head_without_a_body():
    status, headers, body = asked("HEAD", WELL_KNOWN)
    assert (status, body) == (200, b"")
    assert dict(headers)[b"content-length"] != b"0"


def test_a_preflight_for_a_document_is_answered():
    """Clients in a browser send `MCP-Protocol-Version`."""
    status, headers, _ = asked("OPTIONS", f"{WELL_KNOWN}/mcp")
    assert status == 204
    assert dict(headers)[b"access-control-allow-headers"] == b"*"
    assert asked("OPTIONS", "/mcp")[2] == b"of the app"


def test_a_document_cannot_be_posted_to():
    assert asked("POST", WELL_KNOWN)[0] == 401


def test_a_trailing_slash_of_the_url_is_ignored():
    assert asked(path=WELL_KNOWN, url=f"{URL}/") == asked(path=WELL_KNOWN)


@rows(
    "argument",
    [
        *(
            {"url": wrong}
            for wrong in ("", "os.example", 1, "https://a b", 'https://a"', "ftp://a")
        ),
        *({"url": f"https://os.example{more}"} for more in ("?a=1", "#a", "\n", "\\", "/é")),
        {"url": "https://user:password@os.example"},
        {"url": "http://os.example"},
        {"url": URL, "challenge_scopes": "agents:run"},
        *({"url": URL, "challenge_scopes": [wrong]} for wrong in ("", "a b", 'a"', None, "é")),
        {"challenge_scopes": ["agents:run"]},
    ],
)
def test_a_url_or_scope_that_no_challenge_can_hold_is_refused(argument: dict[str, Any]):
    with pytest.raises(InvalidConfiguration):
        Verifier("https://id.example", "my-os", **argument)
