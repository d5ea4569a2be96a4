"""Requests as bytes, and connections that read answers in order."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from tests.journeys.hostile_values import CRLF

PATIENCE = 10  # seconds for an answer
MAX_HEAD = 2**20
LOOPBACK = "127.0.0.1"
CONTINUE = b"HTTP/1.1 100"


@dataclass(frozen=True)
class ProxiedAnswer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def request_id(self) -> str | None:
        """None in an answer of the proxy itself."""
        return self.headers.get("x-request-id")

    @property
    def json(self) -> dict[str, Any]:
        return json.loads(self.body) if "json" in self.headers.get("content-type", "") else {}


def request(
    target: str, headers: Iterable[tuple[str, str]], body: bytes | None = None, method: str = "POST"
) -> bytes:
    """A request; without a body, `headers` set the length."""
    lines = [f"{method} {target} HTTP/1.1", "Host: id.example"]
    lines += [f"{name}: {value}" for name, value in headers]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    return CRLF.join([line.encode() for line in [*lines, "", ""]]) + (body or b"")


def chunked(body: bytes, trailers: Iterable[tuple[str, str]] = ()) -> bytes:
    """RFC 9112 §7.1, in two chunks."""
    half = len(body) // 2
    chunks = [b"%x\r\n%b\r\n" % (len(part), part) for part in (body[:half], body[half:]) if part]
    fields = [f"{name}: {value}\r\n".encode() for name, value in trailers]
    return b"".join([*chunks, b"0\r\n", *fields, CRLF])


class ProxiedConnection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    def send(self, data: bytes) -> None:
        self._writer.write(data)

    async def sent(self) -> None:
        """Return when the peer has received nearly everything."""
        await self._writer.drain()

    def half_close(self) -> None:
        self._writer.write_eof()

    def abort(self) -> None:
        """The peer sees a reset."""
        self._writer.transport.abort()

    async def answer(self) -> ProxiedAnswer:
        """The next answer. `OSError`, `TimeoutError` or `EOFError` if there is none."""
        async with asyncio.timeout(PATIENCE):
            head = CONTINUE
            while head.startswith(CONTINUE):
                head = await self._reader.readuntil(CRLF + CRLF)
            first, *lines = head[:-4].decode("latin-1").split("\r\n")
            headers = {}
            for line in lines:
                name, _, value = line.partition(":")
                headers[name.strip().lower()] = value.strip()
            return ProxiedAnswer(int(first.split()[1]), headers, await self._body(headers))

    async def _body(self, headers: dict[str, str]) -> bytes:
        if "content-length" in headers:
            return await self._reader.readexactly(int(headers["content-length"]))
        if "transfer-encoding" not in headers:
            return b""
        body = b""
        while size := int(await self._reader.readuntil(CRLF), 16):
            body += (await self._reader.readexactly(size + 2))[:-2]
        await self._reader.readuntil(CRLF)
        return body


@asynccontextmanager
async def connected(port: int, address: str = LOOPBACK) -> AsyncIterator[ProxiedConnection]:
    """A connection from this address of loopback."""
    reader, writer = await asyncio.open_connection(
        LOOPBACK, port, limit=MAX_HEAD, local_addr=(address, 0)
    )
    try:
        yield ProxiedConnection(reader, writer)
    finally:
        writer.transport.abort()
