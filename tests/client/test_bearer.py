"""The token in requests of httpx: to which servers, and what follows a 401."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from issuer.client import TokenClient, TokenRefused, WrongOrigin
from issuer.client.lifecycle import REPLACED_EVERY
from tests.client.conftest import MovedClock, ScriptedIssuer, refusal
from tests.rows import rows

OS = "https://os.example"
OTHER = "https://attacker.example"

New = Callable[..., TokenClient]


@dataclass
class CalledService:
    """Accepts all tokens but the refused ones; `redirects` has the targets of paths."""

    refused: set[str] = field(default_factory=set)
    redirects: dict[str, str] = field(default_factory=dict)
    refuses_all: bool = False
    seen: list[tuple[str, str | None]] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        token = request.headers.get("Authorization", "").removeprefix("Bearer ") or None
        self.seen.append((request.url.host, token))
        if target := self.redirects.get(request.url.path):
            return httpx.Response(307, headers={"Location": target})
        self.bodies.append(request.read())
        is_refused = self.refuses_all or token is None or token in self.refused
        return httpx.Response(401 if is_refused else 200, text="body")


@pytest.fixture
def service() -> CalledService:
    return CalledService()


class StreamingTransport(httpx.MockTransport):
    """Uses up the body, as a transport to a socket does; `MockTransport` keeps it in memory."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return super().handle_request(_with(request, b"".join(request.stream)))  # type: ignore[arg-type]

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        body = b"".join([chunk async for chunk in request.stream])  # type: ignore[union-attr]
        return await super().handle_async_request(_with(request, body))


def _with(request: httpx.Request, body: bytes) -> httpx.Request:
    return httpx.Request(request.method, request.url, headers=request.headers, content=body)


class SyncCaller:
    """Calls with `httpx.Client`."""

    def __init__(self, service: CalledService, auth: httpx.Auth) -> None:
        self._arguments: dict[str, Any] = {"transport": StreamingTransport(service), "auth": auth}

    def __call__(self, method: str, url: str, **more: Any) -> httpx.Response:
        with httpx.Client(**self._arguments) as http:
            return http.request(method, url, **more)

    def follow(self, url: str) -> httpx.Response:
        """Send the next request of a redirect by itself."""
        with httpx.Client(**self._arguments) as http:
            following = http.get(url).next_request
            assert following is not None
            return http.send(following)

    def stream(self, *chunks: bytes) -> httpx.Response:
        return self("POST", OS, content=iter(chunks))


class AsyncCaller:
    """Calls with `httpx.AsyncClient`."""

    def __init__(self, service: CalledService, auth: httpx.Auth) -> None:
        self._arguments: dict[str, Any] = {"transport": StreamingTransport(service), "auth": auth}

    def __call__(self, method: str, url: str, **more: Any) -> httpx.Response:
        async def call() -> httpx.Response:
            async with httpx.AsyncClient(**self._arguments) as http:
                return await http.request(method, url, **more)

        return asyncio.run(call())

    def follow(self, url: str) -> httpx.Response:
        async def call() -> httpx.Response:
            async with httpx.AsyncClient(**self._arguments) as http:
                following = (await http.get(url)).next_request
                assert following is not None
                return await http.send(following)

        return asyncio.run(call())

    def stream(self, *chunks: bytes) -> httpx.Response:
        async def body() -> Any:
            for chunk in chunks:
                yield chunk

        return self("POST", OS, content=body())


Caller = SyncCaller | AsyncCaller


@pytest.fixture(params=[SyncCaller, AsyncCaller])
def new_caller(
    request: pytest.FixtureRequest, service: CalledService
) -> Callable[[httpx.Auth], Caller]:
    return lambda auth: request.param(service, auth)


@pytest.fixture
def call(new_caller: Callable[[httpx.Auth], Caller], client: TokenClient) -> Caller:
    return new_caller(client.auth())


def test_each_request_carries_the_current_token(call: Caller, service: CalledService):
    assert [call("GET", OS).status_code for _ in range(2)] == [200, 200]
    assert service.seen == [("os.example", "token-1")] * 2


def test_a_refused_token_is_replaced_and_the_request_repeated(
    call: Caller, service: CalledService, issuer: ScriptedIssuer
):
    service.refused.add("token-1")
    assert call("POST", OS, json={"message": "hi"}).status_code == 200
    assert [token for _, token in service.seen] == ["token-1", "token-2"]
    assert service.bodies == [b'{"message":"hi"}'] * 2
    assert issuer.issuer_requests == 2


def test_a_new_token_that_is_refused_as_well_is_the_answer(
    call: Caller, service: CalledService, issuer: ScriptedIssuer
):
    service.refuses_all = True
    answer = call("GET", OS)
    assert (answer.status_code, answer.text) == (401, "body")
    assert [token for _, token in service.seen] == ["token-1", "token-2"]
    assert issuer.issuer_requests == 2


def test_a_service_that_refuses_everything_does_not_cause_a_token_for_each_call(
    call: Caller, service: CalledService, issuer: ScriptedIssuer, clock: MovedClock
):
    service.refuses_all = True
    for _ in range(10):
        assert call("GET", OS).status_code == 401
    assert issuer.issuer_requests == 2
    clock.move(REPLACED_EVERY)
    call("GET", OS)
    assert issuer.issuer_requests == 3


def test_a_token_that_expires_on_its_way_is_replaced_each_time(
    client: TokenClient, issuer: ScriptedIssuer, clock: MovedClock
):
    """With short tokens and a busy machine this may happen more than once in a few seconds."""
    issuer.lifetime = 1

    def slow_at_first(request: httpx.Request) -> httpx.Response:
        is_late = request.headers["Authorization"] not in accepted
        accepted.add(f"Bearer token-{issuer.issued + 1}")
        clock.move(1 if is_late else 0)
        return httpx.Response(401 if is_late else 200)

    accepted: set[str] = set()
    transport = httpx.MockTransport(slow_at_first)
    with httpx.Client(transport=transport, auth=client.auth()) as http:
        statuses = []
        for _ in range(3):
            statuses.append(http.get(OS).status_code)
            accepted.clear()
    assert statuses == [200, 200, 200]


def test_if_there_is_no_new_token_the_call_says_why(
    call: Caller, service: CalledService, issuer: ScriptedIssuer
):
    call("GET", OS)
    service.refused.add("token-1")
    issuer.next_answers = [refusal("invalid_client", "The client is disabled.", 401)]
    with pytest.raises(TokenRefused, match="The client is disabled"):
        call("GET", OS)


def test_failures_are_errors_of_httpx(call: Caller, issuer: ScriptedIssuer):
    """Code that handles a failed call handles a missing token too."""
    issuer.next_answers = [refusal("invalid_client")]
    with pytest.raises(httpx.HTTPError):
        call("GET", OS)


def test_other_errors_of_the_service_are_left_alone(
    new_caller: Callable[[httpx.Auth], Caller], client: TokenClient, service: CalledService
):
    call = new_caller(client.auth())
    service.redirects["/moved"] = "/"
    assert call("GET", f"{OS}/moved").status_code == 307
    assert len(service.seen) == 1


def test_a_body_that_is_a_stream_is_not_repeated_but_the_token_is_replaced(
    call: Caller, service: CalledService, issuer: ScriptedIssuer
):
    service.refused.add("token-1")
    assert call.stream(b"one ", b"two").status_code == 401
    assert service.bodies == [b"one two"]
    assert call.stream(b"three").status_code == 200
    assert issuer.issuer_requests == 2


def test_a_redirect_to_another_origin_is_followed_without_the_token(
    call: Caller, service: CalledService, issuer: ScriptedIssuer
):
    """And its 401 is no refusal of the token."""
    service.redirects["/moved"] = OTHER
    assert call("GET", f"{OS}/moved", follow_redirects=True).status_code == 401
    assert service.seen == [("os.example", "token-1"), ("attacker.example", None)]
    assert issuer.issuer_requests == 1


def test_a_redirect_within_the_origin_keeps_the_token(call: Caller, service: CalledService):
    service.redirects["/moved"] = "/agents"
    assert call("GET", f"{OS}/moved", follow_redirects=True).status_code == 200
    assert service.seen == [("os.example", "token-1")] * 2


def test_a_redirect_that_the_caller_follows_does_not_get_the_token(
    call: Caller, service: CalledService
):
    """`client.send(response.next_request)` runs the authentication again."""
    service.redirects["/moved"] = OTHER
    with pytest.raises(WrongOrigin, match="not sent to https://attacker"):
        call.follow(f"{OS}/moved")
    assert service.seen == [("os.example", "token-1")]


@rows(
    "url",
    [
        OTHER,
        "http://os.example",
        "https://os.example:8443",
        "https://os.example.",
        "https://sub.os.example",
        "https://os.example@attacker.example",
    ],
)
def test_the_token_goes_to_the_origin_of_the_first_request_alone(
    call: Caller, service: CalledService, url: str
):
    call("GET", OS)
    service.seen.clear()
    with pytest.raises(WrongOrigin):
        call("GET", url)
    assert service.seen == []


@pytest.mark.parametrize("url", ["https://OS.example/agents", "https://os.example:443/"])
def test_an_origin_is_recognised_however_it_is_written(call: Caller, url: str):
    call("GET", OS)
    assert call("GET", url).status_code == 200


def test_named_origins_are_the_only_ones(
    new_caller: Callable[[httpx.Auth], Caller], client: TokenClient, service: CalledService
):
    call = new_caller(client.auth(OS, "http://os.internal:7777"))
    assert call("GET", OS).status_code == 200
    assert call("GET", "http://os.internal:7777/agents").status_code == 200
    with pytest.raises(WrongOrigin):
        call("GET", OTHER)


def test_the_first_request_must_be_protected(
    new_caller: Callable[[httpx.Auth], Caller], client: TokenClient, issuer: ScriptedIssuer
):
    with pytest.raises(WrongOrigin, match="neither https:// nor on this machine"):
        new_caller(client.auth())("GET", "http://os.example")
    assert issuer.issuer_requests == 0
    assert new_caller(client.auth())("GET", "http://127.0.0.1:7777").status_code == 200


def test_each_auth_has_origins_of_its_own_and_the_same_token(
    new_caller: Callable[[httpx.Auth], Caller], client: TokenClient, service: CalledService
):
    new_caller(client.auth())("GET", OS)
    new_caller(client.auth())("GET", "https://other.example")
    assert service.seen == [("os.example", "token-1"), ("other.example", "token-1")]


def test_an_origin_that_is_no_url_is_refused(client: TokenClient):
    with pytest.raises(ValueError, match="origin is not an https:// URL"):
        client.auth("os.example")
