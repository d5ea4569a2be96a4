"""Trusted issuers that an attacker controls: what they answer where their key set should be."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from urllib.parse import urlencode

from benchmarks.attacking import FORM, Attack, AttackedIssuer
from benchmarks.scenarios import TOKEN
from tests.journeys.proxies.callers import new_id
from tests.journeys.proxies.wire import LOOPBACK, request
from tests.oauth.asserting import form_of
from tests.trusting import OtherIssuer, trust, trusted

CONNECTIONS = 4
CLIENT_ID = "pod"
_JSON = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
_LARGE = 10 * 2**20

Answer = Callable[["HostileIssuer", asyncio.StreamWriter], Awaitable[None]]


class HostileIssuer:
    """It has keys and signs tokens, and answers requests for its key set as it likes."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.signing = OtherIssuer.new(alg="ES256")
        self.url = ""

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        async with await asyncio.start_server(self._connected, LOOPBACK, 0) as server:
            port = server.sockets[0].getsockname()[1]
            self.url = f"http://{LOOPBACK}:{port}/jwks.json"
            yield

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Python 3.11 logs a cancelled handler as an error.
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await reader.readuntil(b"\r\n\r\n")
            await self._answer(self, writer)
            await writer.drain()
        writer.close()

    def rotate(self) -> None:
        self.signing = OtherIssuer.new(alg="ES256", kid=new_id("kid"))


async def hangs(_: HostileIssuer, __: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def drips(_: HostileIssuer, writer: asyncio.StreamWriter) -> None:
    writer.write(_JSON % 1_000)
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.5)


async def redirects(hostile: HostileIssuer, writer: asyncio.StreamWriter) -> None:
    location = hostile.url.encode()
    writer.write(b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: %s\r\n\r\n" % location)


async def serves_10_mb(_: HostileIssuer, writer: asyncio.StreamWriter) -> None:
    writer.write(_JSON % _LARGE + b" " * _LARGE)


async def publishes(hostile: HostileIssuer, writer: asyncio.StreamWriter) -> None:
    body = json.dumps(hostile.signing.jwks).encode()
    writer.write(_JSON % len(body) + body)


def unknown_keys(answer: Answer) -> Callable[[AttackedIssuer], Awaitable[None]]:
    """Token requests, each with a token whose key is not in the key set that was fetched."""

    async def attack(target: AttackedIssuer) -> None:
        hostile = HostileIssuer(answer)
        async with hostile.serving():
            _trust(target, hostile)
            await target.flood(
                lambda: _token_request(target, replace(hostile.signing, kid=new_id("kid"))),
                CONNECTIONS,
            )

    return attack


async def rotates(target: AttackedIssuer) -> None:
    """A new key each second, and token requests with tokens of the newest."""
    hostile = HostileIssuer(publishes)

    async def rotating() -> None:
        while True:
            await asyncio.sleep(1)
            hostile.rotate()

    async with hostile.serving():
        _trust(target, hostile)
        requests = target.flood(lambda: _token_request(target, hostile.signing), CONNECTIONS)
        await asyncio.gather(rotating(), requests)


def _trust(target: AttackedIssuer, hostile: HostileIssuer) -> None:
    deployment = target.issuer.deployment
    keys = {"jwks_uri": hostile.url}
    trusted(deployment, hostile.signing, keys=keys, allow_private_addresses=True)
    deployment.client(CLIENT_ID, audiences=["my-os"], scopes=["agents:run"], trusts=[trust()])


def _token_request(target: AttackedIssuer, signing: OtherIssuer) -> bytes:
    token = signing.token(time.time(), aud=[target.issuer.url])
    form = urlencode(form_of(token, client_id=CLIENT_ID))
    return request(TOKEN, [FORM], form.encode())


HOSTILE_ISSUERS = (
    *(
        Attack(f"unknown keys of a trusted issuer that {word}, 4 connections", unknown_keys(answer))
        for word, answer in {
            "hangs": hangs,
            "answers one byte at a time": drips,
            "redirects": redirects,
            "serves 10 MB": serves_10_mb,
        }.items()
    ),
    Attack("tokens of a trusted issuer that rotates every second, 4 connections", rotates),
)
