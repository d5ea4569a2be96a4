"""An issuer without a network, a clock that waiting moves, and a client of both."""

import base64
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote

import httpx
import pytest

from issuer.client import TokenClient

ISSUER = "https://id.example"
METADATA = "/.well-known/oauth-authorization-server"
TOKEN = "/oauth2/token"
SECRET = "s3cr:t%/ü"
LIFETIME = 900

Handler = Callable[[httpx.Request], httpx.Response]


class MovedClock:
    """A monotonic clock. Sleeping moves it; nobody waits."""

    def __init__(self) -> None:
        self.now = 5_000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def move(self, seconds: float) -> None:
        self.now += seconds

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@dataclass
class ScriptedIssuer:
    """Answers token requests with `next_answers`, then with tokens `token-1`, `token-2` and so on.

    An exception in `next_answers` is raised. Each request first waits for `open`.
    """

    metadata: dict[str, Any] = field(
        default_factory=lambda: {"issuer": ISSUER, "token_endpoint": ISSUER + TOKEN}
    )
    next_answers: list[httpx.Response | Exception | Handler] = field(default_factory=list)
    metadata_answers: list[httpx.Response | Exception | Handler] = field(default_factory=list)
    lifetime: float = LIFETIME
    requests: list[httpx.Request] = field(default_factory=list)
    issued: int = 0
    open: threading.Event = field(default_factory=threading.Event)
    metadata_reads: int = 0

    def __post_init__(self) -> None:
        self.open.set()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.startswith(METADATA):
            self.metadata_reads += 1
            return _next(self.metadata_answers, request) or httpx.Response(200, json=self.metadata)
        self.requests.append(request)
        assert self.open.wait(30)
        return _next(self.next_answers, request) or self.issue()

    def issue(self) -> httpx.Response:
        self.issued += 1
        return answer(f"token-{self.issued}", expires_in=self.lifetime)

    @property
    def form(self) -> dict[str, str]:
        """Of the last token request."""
        return dict(parse_qsl(self.requests[-1].content.decode(), keep_blank_values=True))

    @property
    def basic(self) -> list[str]:
        """Client id and secret of the last token request."""
        kind, _, value = self.requests[-1].headers["Authorization"].partition(" ")
        assert kind == "Basic"
        return [unquote(each) for each in base64.b64decode(value).decode().split(":")]

    @property
    def issuer_requests(self) -> int:
        return len(self.requests)


def _next(answers: list[Any], request: httpx.Request) -> httpx.Response | None:
    if not answers:
        return None
    following = answers.pop(0)
    if isinstance(following, Exception):
        raise following
    return following(request) if callable(following) else following


def answer(token: object, **members: Any) -> httpx.Response:
    """RFC 6749 §5.1; `...` leaves a member out."""
    body = {"access_token": token, "token_type": "Bearer", "expires_in": LIFETIME, **members}
    return httpx.Response(200, json={name: each for name, each in body.items() if each is not ...})


def refusal(error: str, description: str | None = None, status: int = 400) -> httpx.Response:
    """RFC 6749 §5.2."""
    body = {"error": error} | ({"error_description": description} if description else {})
    return httpx.Response(status, content=json.dumps(body).encode())


@pytest.fixture
def issuer() -> ScriptedIssuer:
    return ScriptedIssuer()


@pytest.fixture
def clock() -> MovedClock:
    return MovedClock()


@pytest.fixture
def new_client(issuer: ScriptedIssuer, clock: MovedClock) -> Callable[..., TokenClient]:
    """A `TokenClient` of the issuer, with a secret unless another credential is given."""

    def make(**options: Any) -> TokenClient:
        url = options.pop("issuer", ISSUER)
        client_id = options.pop("client_id", "ci-bot")
        if "assertion" not in options:
            options.setdefault("client_secret", SECRET)
        surroundings: dict[str, Any] = {
            "transport": lambda: httpx.MockTransport(issuer),
            "clock": clock,
            "sleep": clock.sleep,
            "random": lambda: 0.5,
        }
        return TokenClient(url, client_id, **{**surroundings, **options})

    return make


@pytest.fixture
def client(new_client: Callable[..., TokenClient]) -> TokenClient:
    return new_client()


def settled(client: TokenClient) -> None:
    """Return when no token request of the client is in progress."""
    pending = client._pending
    if pending.running():
        pending.result(30)
