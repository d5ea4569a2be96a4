"""Attacks on a proxy in front of an issuer, or on the issuer itself, while others use it.

Each attack is one round on its own connection. Requests hidden in a body or in trailers have a
request id that begins with `hidden`: an answer to one is misplaced for any reader.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import Random

from tests.journeys.hostile_values import CRLF
from tests.journeys.proxies.callers import TOKEN, Caller, Ledger, new_id
from tests.journeys.proxies.wire import ProxiedConnection, chunked, request

PIPELINED = 40
EMPTY_LINES = (0, 3_000, 7_000, 20_000, 100_000)
FORGED_ADDRESS = "203.0.113.66"  # RFC 5737
CHUNKED = ("Transfer-Encoding", "chunked")


@dataclass(frozen=True)
class Attacker:
    caller: Caller
    ledger: Ledger
    random: Random

    async def read(self, connection: ProxiedConnection, request_id: str) -> int:
        """The status of the next answer, which must be the one to this request."""
        answer = await connection.answer()
        self.ledger.to_attackers += 1
        self.ledger.check(self.caller, request_id, answer)
        return answer.status


Attack = Callable[[Attacker, ProxiedConnection], Awaitable[None]]


async def upgrades(attacker: Attacker, connection: ProxiedConnection) -> None:
    """A body that contains requests, for a parser that assumes a protocol upgrade.

    Empty lines before a request are skipped (RFC 9112 §2.2): wherever a proxy cuts the body into
    segments, what follows is a request.
    """
    caller, random = attacker.caller, attacker.random
    upgrade, outer = random.choice(UPGRADES), new_id("outer")
    hidden = caller.token(new_id("hidden"))
    ends = [
        hidden,
        request(TOKEN, [caller.basic, ("Content-Length", "900")]),
        request(TOKEN, [caller.basic])[:-2] + b"X-Swallowed: ",
    ]
    body = CRLF * random.choice(EMPTY_LINES) + random.choice(ends)
    headers = [*caller.headers(outer), caller.basic, *upgrade]
    if random.random() < 0.2:
        body = chunked(body)
        head = request(TOKEN, [*headers, CHUNKED])
    else:
        more = random.choice([[], [("Expect", "100-continue")]])
        head = request(TOKEN, [*headers, *more, ("Content-Length", str(len(body)))])
    connection.send(head)
    await asyncio.sleep(random.choice([0, 0.01]))
    connection.send(body)
    await attacker.read(connection, outer)
    for more in ([], upgrade, []):  # one of them as `curl --http2` sends it
        own = new_id("own")
        connection.send(caller.token(own, more))
        await attacker.read(connection, own)


async def trailers(attacker: Attacker, connection: ProxiedConnection) -> None:
    """RFC 9110 §6.5.1: no trailer may be merged into the headers."""
    caller = attacker.caller
    for credentials in ([caller.basic], []):
        own = new_id("own")
        fields = [("X-Forwarded-For", FORGED_ADDRESS), ("X-Request-Id", new_id("hidden"))]
        if not credentials:
            fields.append(caller.basic)
        names = ("Trailer", ", ".join(name for name, _ in fields))
        headers = [*caller.headers(own), *credentials, CHUNKED, names]
        connection.send(request(TOKEN, headers) + chunked(caller.form, fields))
        if await attacker.read(connection, own) == 200 and not credentials:
            attacker.ledger.trusted_trailers += 1


async def pipelining(attacker: Attacker, connection: ProxiedConnection) -> None:
    """RFC 9112 §9.3.2: as many answers, in the same order; split inside of messages."""
    asked = [new_id("own") for _ in range(PIPELINED)]
    data = b"".join(map(attacker.caller.token, asked))
    cut = attacker.random.randrange(len(data))
    connection.send(data[:cut])
    await asyncio.sleep(0.01)
    connection.send(data[cut:])
    for own in asked:
        await attacker.read(connection, own)


async def half_closes(attacker: Attacker, connection: ProxiedConnection) -> None:
    """A client that stops sending, and still reads."""
    asked = [new_id("own") for _ in range(attacker.random.choice([1, 1, 3]))]
    connection.send(b"".join(map(attacker.caller.token, asked)))
    connection.half_close()
    for own in asked:
        await attacker.read(connection, own)


async def aborts(attacker: Attacker, connection: ProxiedConnection) -> None:
    """A client that disconnects during its request, or before the answer."""
    data = attacker.caller.token(new_id("lost"))
    connection.send(data[: attacker.random.randint(len(data) // 2, len(data))])
    await asyncio.sleep(attacker.random.random() / 200)
    connection.abort()


UPGRADES = (
    [("ProxiedConnection", "Upgrade"), ("Upgrade", "x")],
    [("ProxiedConnection", "keep-alive, Upgrade"), ("Upgrade", "websocket")],
    [
        ("ProxiedConnection", "Upgrade, HTTP2-Settings"),
        ("Upgrade", "h2c"),
        ("HTTP2-Settings", "AAMAAABkAAQAoAAAAAIAAAAA"),
    ],
)
ATTACKS: dict[str, Attack] = {
    "upgrades": upgrades,
    "trailers": trailers,
    "pipelining": pipelining,
    "half-closes": half_closes,
    "aborted requests": aborts,
}
