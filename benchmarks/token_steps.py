"""CPU time of each step of issuing a token, each measured alone and repeatedly.

    python -m benchmarks.token_steps [--alg RS256 ES256 EdDSA]

In sequence they take longer, because each evicts the code of the others from the processor's
caches; in a server longer still. `python -m benchmarks.durable_audit` measures their total CPU time
there, including the HTTP server and the event loop.
"""

import argparse
import base64
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from random import SystemRandom
from typing import TypeVar

from rich.console import Console
from rich.table import Table
from starlette.requests import Request
from starlette.types import Message

from benchmarks.bare import SIGNING, new_signer
from benchmarks.durable_audit import deployment_with_client
from benchmarks.token_server import store_nothing
from issuer.audit import Actor, AuditWriter, Event
from issuer.audit.chain_store import OwnChain
from issuer.background.workers import WorkerPool
from issuer.composition import Composition
from issuer.oauth import IssuerAuthorizationServer
from issuer.oauth.client_authentication import CredentialChecks
from issuer.oauth.endpoint import EndpointParts, LoadShedder
from issuer.oauth.messages import OAuthResponse, ParsedRequest, parse_form, receive_form
from issuer.oauth.token_endpoint import TokenEndpoint
from issuer.rate_limits.limits import build_limits
from issuer.rate_limits.password_pool import PasswordPool
from issuer.telemetry import logs
from issuer.telemetry.metrics import Metrics
from issuer.telemetry.tracing import Tracing
from issuer.tokens.issuing import AccessToken
from issuer.vocabulary import ACCESS_TOKEN_TYPE, SigningAlgorithm
from tests.builders import Credentials, settings_for

T = TypeVar("T")


class NoOverload(LoadShedder):
    """No event loop runs here that could be busy."""

    def require_time(self) -> None:
        pass


ROUNDS, CALLS = 7, 2_000
BODY = b"grant_type=client_credentials"


def steps(services: Composition, client: Credentials, alg: str) -> Iterator[tuple[str, float]]:
    """By name, in microseconds."""
    server, clock = IssuerAuthorizationServer(services.protocol), services.clock
    pool = WorkerPool("pool", 1, 1)
    tokens, limits = services.tokens, build_limits(services.settings, clock, Metrics())
    checks = CredentialChecks(
        tokens.client_authentication,
        lambda: tokens.client_assertions,
        tokens.last_use,
        limits,
        pool,
        PasswordPool(pool, limits, clock, Metrics()),
        clock,
    )
    services.tokens.changes.require_current = lambda: None  # type: ignore[method-assign]
    AuditWriter.record = store_nothing  # type: ignore[method-assign]
    writer = services.audit.writer
    refusals = services.audit.refusals
    parts = EndpointParts(clock, tokens, checks, writer, refusals, NoOverload(clock), pool)
    endpoint = TokenEndpoint(parts, server, Metrics(), Tracing())
    basic = base64.b64encode(f"{client.client_id}:{client.client_secret}".encode())
    services.tokens.changes.poll()
    # From now on the client is confirmed from memory.
    services.tokens.directory.load_client(client.client_id)

    def parsed() -> ParsedRequest:
        return parse_form(at_once(receive_form(arrived(basic), Actor())))

    def answer(body: bytes) -> OAuthResponse:
        answered = at_once(endpoint(arrived(basic, body)))
        assert answered.error is None
        return answered

    request = at_once(checks.authenticate(parsed()))
    granted = server.authorize(request)
    first = services.tokens.issuer.issue(granted.authorization, clock())
    assert isinstance(first, AccessToken)
    sign, message = new_signer(alg), first.token.rpartition(".")[0].encode()
    claims = {"sub": client.client_id, "jti": first.jti, "scopes": ["agents:read"]}
    yield "parse", taken(parsed)
    yield "authenticate", taken(lambda: at_once(checks.authenticate(request.parsed)))
    yield "authorize", taken(lambda: server.authorize(request))
    signature = taken(lambda: sign(message))
    yield "the signature itself", signature
    signing = taken(
        lambda: services.keys.keyring.sign(SigningAlgorithm(alg), ACCESS_TOKEN_TYPE, claims)
    )
    yield "the token around it", signing - signature
    others = count()  # other bytes each time
    yield (
        "all of it, without the audit event",
        taken(lambda: answer(BODY + b"&n=%d" % next(others))),
    )
    yield "the same for a request that was granted before", taken(lambda: answer(BODY))
    last = answer(BODY)
    yield "the answer as bytes", taken(lambda: at_once(last({}, receive_nothing, send_nowhere)))
    for together in (1, 16, 64):
        yield f"its audit event, {together} in a commit", recording(services, together)


def recording(services: Composition, together: int) -> float:
    """Of one event, in microseconds."""
    chain = OwnChain(services.database, services.foundation.chain_key, SystemRandom())
    event = Event(
        datetime.now(UTC),
        Actor("ci-bot", "r" * 32, "127.0.0.1"),
        "token.issued",
        "ci-bot",
        details={
            "grant_type": "client_credentials",
            "audience": "my-os",
            "scope": "agents:read agents:run",
            "jti": "0" * 32,
            "kid": "k" * 43,
            "expires_in": 900,
        },
    )
    return taken(lambda: chain.append([event] * together), calls=50) / together


def arrived(basic: bytes, body: bytes = BODY) -> Request:
    """A token request as the HTTP server passes it on."""

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    headers = [
        (b"host", b"id.example"),
        (b"content-type", b"application/x-www-form-urlencoded"),
        (b"content-length", str(len(body)).encode()),
        (b"authorization", b"Basic " + basic),
    ]
    scope = {"type": "http", "method": "POST", "query_string": b"", "headers": headers}
    return Request({**scope, "client": ("127.0.0.1", 1)}, receive)


async def receive_nothing() -> Message:
    return {"type": "http.disconnect"}


async def send_nowhere(_: Message) -> None:
    """As if it were sent."""


def at_once(what: Awaitable[T]) -> T:
    """The result of an awaitable that never suspends."""
    try:
        what.__await__().send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    raise AssertionError("It waits.")


def taken(call: Callable[[], object], calls: int = CALLS) -> float:
    """CPU time of this thread for one call, in microseconds: the best of some rounds."""
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.thread_time()
        for _ in range(calls):
            call()
        best = min(best, (time.thread_time() - began) / calls)
    return best * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--alg", nargs="+", default=list(SIGNING), choices=list(SIGNING))
    options = parser.parse_args()
    logs.configure("warning")
    table = Table("µs of CPU", *options.alg)
    found: dict[str, list[str]] = {}
    for alg in options.alg:
        with (
            tempfile.TemporaryDirectory() as folder,
            deployment_with_client(settings_for(Path(folder) / "data", signing_algorithms=alg)) as (
                services,
                client,
            ),
        ):
            services.keys.keyring.reload()
            for name, value in steps(services, client, alg):
                found.setdefault(name, []).append(f"{value:.1f}")
    for name, values in found.items():
        table.add_row(name, *values)
    Console().print(table)


if __name__ == "__main__":
    main()
