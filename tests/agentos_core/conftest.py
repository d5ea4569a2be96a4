"""An issuer that may misbehave, clocks that tests move, and a verifier that polls it."""

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import jwt
import pytest

from issuer.agentos.errors import KeySetUnavailable
from issuer.agentos.issuer_token_verifier import TrustedIssuer
from issuer.agentos.rules import TokenRules, Unverified
from tests.agentos_core.hostile_server import HostileServer, hostile_server
from tests.agentos_core.keys import Key, key, key_set

AUDIENCE = "my-os"
NOW = 1_800_000_000.0


@dataclass
class Clocks:
    """The monotonic clock and the wall clock."""

    steady: float = 5_000.0
    wall: float = NOW

    def move(self, seconds: float) -> None:
        self.steady += seconds
        self.wall += seconds

    def monotonic(self) -> float:
        return self.steady

    def time(self) -> float:
        return self.wall


class Following:
    """A `TrustedIssuer` with these clocks, and tokens for it."""

    def __init__(self, server: HostileServer, clocks: Clocks, **options: Any) -> None:
        self.server = server
        self.clocks = clocks
        rules = TokenRules(server.url, AUDIENCE)
        self.issuer = TrustedIssuer(
            rules,
            **{"algorithms": ["ES256"], **options},
            clock=clocks.monotonic,
            wall_clock=clocks.time,
        )

    def claims(self, **claims: Any) -> dict[str, Any]:
        """Claims of a valid token; `...` leaves one out."""
        now = int(self.clocks.wall)
        good = {"iss": self.server.url, "aud": AUDIENCE, "sub": "usr_alice", "iat": now}
        good |= {"exp": now + 900, "scopes": ["agents:run"]}
        return {name: value for name, value in (good | claims).items() if value is not ...}

    def token(self, signing: Key | None = None, /, **claims: Any) -> str:
        return (signing or key()).sign(self.claims(**claims))

    def feed(self, signing: Key | None = None, /, **claims: Any) -> str:
        """A valid revocation feed issued now; `typ`, `alg` and `crit` are header members."""
        header = {name: claims.pop(name) for name in ("typ", "alg", "crit") if name in claims}
        now = int(self.clocks.wall)
        good = {"iss": self.server.url, "iat": now, "exp": now + 600}
        listed = {"jti": {}, "sid": {}, "sub": {}, "client_id": {}, "aud": {}, "kid": []}
        revoked = without_absent(
            listed | {each: claims.pop(each) for each in listed & claims.keys()}
        )
        payload = without_absent(good | {"revoked": revoked} | claims)
        return (signing or key()).sign(payload, **{"typ": "revocations+jwt", **header})

    def poll(self) -> None:
        """Poll the feed now, as it does every few seconds."""
        assert self.issuer.feed
        asyncio.run(self.issuer.feed.client.fetch_now())

    def receive(self, signing: Key | None = None, /, **claims: Any) -> None:
        """Publish a feed with these claims, and poll it."""
        self.server.publish_feed(self.feed(signing, **claims))
        self.poll()

    def accepts(self, token: str) -> bool:
        """False if it is refused; `KeySetUnavailable` passes."""
        try:
            return bool(self.issuer.claims(token))
        except KeySetUnavailable:
            raise
        except jwt.InvalidTokenError:
            return False

    @property
    def revocations(self) -> Any:
        return self.issuer.status()["revocations"]

    def look_for(self, kid: str | None = None) -> None:
        """Prepare for a token of that key, as a request does."""
        asyncio.run(self.issuer.prepare_for(Unverified({"kid": kid} if kid else {}, {}, b"", b"")))

    @property
    def kids(self) -> set[str]:
        return {each["kid"] for each in self.issuer.status()["keys"]}


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


@pytest.fixture
def server() -> Iterator[HostileServer]:
    with hostile_server() as server:
        server.publish(key_set(key()))
        yield server


@pytest.fixture
def follow(server: HostileServer, clocks: Clocks) -> Iterator[Callable[..., Following]]:
    """Create one that polls the server; it stops with the test."""
    made: list[Following] = []

    def make(**options: Any) -> Following:
        made.append(Following(server, clocks, **options))
        return made[-1]

    yield make
    for each in made:
        each.issuer.stop()


@pytest.fixture
def following(follow: Callable[..., Following]) -> Following:
    """A verifier that has fetched its key set."""
    following = follow()
    following.look_for()
    return following


def eventually(is_so: Callable[[], bool]) -> bool:
    """Wait for another thread, 30 s at most."""
    ends = time.monotonic() + 30
    while not is_so() and time.monotonic() < ends:
        time.sleep(0.01)
    return is_so()


def without_absent(members: dict[str, Any]) -> dict[str, Any]:
    """Those that are not `...`."""
    return {name: value for name, value in members.items() if value is not ...}
