"""Requests to an AgentOS: only GET, few, bounded in time and size. No error contains a token."""

import asyncio
import json
import secrets
from base64 import b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any
from urllib.parse import urlsplit

import httpcore
import httpx

from issuer.errors import NotAllowed
from issuer.inspection.tokens import TokenKind

MAX_REQUESTS = 200
MAX_BYTES = 2 * 1024 * 1024
SECONDS = 5.0  # for one request
TOTAL_SECONDS = 45.0  # for all: the tokens live for a minute
_AT_ONCE = 4
_WELL_KNOWN = "/.well-known/"
FOREIGN_ORIGIN = "https://inspection.invalid"  # RFC 2606 §2
_TEXT_FRAME, _SHORT, _TWO_BYTES = 0x81, 125, 126


class NotInspected(NotAllowed):
    """The AgentOS could not be inspected, and why."""


@dataclass(frozen=True, slots=True)
class Probe:
    """A GET of `path`, below the URL of the AgentOS; below its origin for well-known ones."""

    path: str
    token: TokenKind = TokenKind.NONE

    def __str__(self) -> str:
        return f"GET {self.path} {self.token}"


@dataclass(frozen=True, slots=True)
class ProbeAnswer:
    """An answer; redirects are not followed. `body` is empty unless it was asked for."""

    status: int
    headers: httpx.Headers
    body: bytes = field(default=b"", repr=False)

    @property
    def is_open(self) -> bool:
        """Whether the route has run, or looked at its parameters: FastAPI's 422."""
        unprocessable = httpx.codes.UNPROCESSABLE_ENTITY
        return httpx.codes.is_success(self.status) or self.status == unprocessable

    @property
    def is_unauthorized(self) -> bool:
        """Whether the token, or that there was none, is the reason of the refusal."""
        return self.status == httpx.codes.UNAUTHORIZED

    @property
    def is_forbidden(self) -> bool:
        """Whether the token was accepted, and lacks a scope."""
        return self.status == httpx.codes.FORBIDDEN

    @property
    def accepts_token(self) -> bool:
        return self.is_open or self.is_forbidden

    @property
    def is_refused(self) -> bool:
        return self.is_unauthorized or self.is_forbidden

    @property
    def members(self) -> dict[str, Any]:
        """The JSON object in the body of a 200; empty for anything else."""
        return members_in(self.body) if self.status == httpx.codes.OK else {}


def members_in(text: str | bytes) -> dict[str, Any]:
    """The JSON object that this is; empty for anything else."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


class Prober:
    """Sends probes to the AgentOS at `url`, each once, and remembers the answers.

    Within `async with`. A probe without an answer has none in `answers`.
    """

    def __init__(self, url: str, user_agent: str, tokens: Mapping[TokenKind, str]) -> None:
        parts = urlsplit(url)
        self.url = url
        self._origin = f"{parts.scheme}://{parts.netloc}"
        self._tokens = tokens
        self._places = asyncio.Semaphore(_AT_ONCE)
        self.sent = 0
        self._why = ""
        self.answers: dict[Probe, ProbeAnswer] = {}
        self._http = httpx.AsyncClient(
            headers={"User-Agent": user_agent, "Accept-Encoding": "identity"},
            timeout=SECONDS,
            verify=httpx.create_ssl_context(),
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            follow_redirects=False,
            trust_env=False,
        )

    async def __aenter__(self) -> "Prober":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def read(self, probe: Probe, **headers: str) -> ProbeAnswer:
        """The answer with its body; `NotInspected` if there is none."""
        if (answer := await self._answer(probe, headers, reads=True)) is None:
            raise NotInspected(f"The AgentOS at {self.url} does not answer: {self._why}.")
        return answer

    async def send(self, probe: Probe, *, reads: bool = False, **headers: str) -> None:
        """Send it, unless there were too many already."""
        await self._answer(probe, headers, reads=reads)

    async def send_all(self, probes: Iterable[Probe]) -> None:
        """Send all, a few at a time."""
        await asyncio.gather(*(self.send(each) for each in dict.fromkeys(probes)))

    async def first_message(self, path: str) -> str | None:
        """The first text that a WebSocket sends by itself (RFC 6455); None if there is none."""
        headers = {
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": b64encode(secrets.token_bytes(16)).decode(),
        }
        if not self._count():
            return None
        try:
            async with (
                asyncio.timeout(SECONDS),
                self._http.stream("GET", self.url + path, headers=headers) as answer,
            ):
                if answer.status_code != httpx.codes.SWITCHING_PROTOCOLS:
                    return None
                return _text_of(await _frame(answer.extensions["network_stream"]))
        # TimeoutError is an OSError; the stream itself raises the errors of httpcore.
        except (httpx.HTTPError, httpcore.NetworkError, OSError, UnicodeError):
            return None

    async def _answer(
        self, probe: Probe, headers: Mapping[str, str], *, reads: bool
    ) -> ProbeAnswer | None:
        if probe in self.answers or not self._count():
            return self.answers.get(probe)
        sent = {"Accept": "application/json", **headers}
        if probe.token is not TokenKind.NONE:
            sent["Authorization"] = f"Bearer {self._tokens[probe.token]}"
        base = self._origin if probe.path.startswith(_WELL_KNOWN) else self.url
        try:
            async with (
                self._places,
                asyncio.timeout(SECONDS),
                self._http.stream("GET", base + probe.path, headers=sent) as answer,
            ):
                body = await _body(answer) if reads else b""
                found = ProbeAnswer(answer.status_code, answer.headers, body)
        except (TimeoutError, httpx.TimeoutException):
            self._why = f"no answer within {SECONDS:g} s"
        except httpx.ConnectError as error:
            self._why = f"cannot connect: {error}"
        except (httpx.HTTPError, OSError):  # the message may quote what was sent
            self._why = "the connection was closed, or is not HTTP"
        else:
            self.answers[probe] = found
        return self.answers.get(probe)

    def _count(self) -> bool:
        self.sent += 1
        return self.sent <= MAX_REQUESTS


async def _body(answer: httpx.Response) -> bytes:
    """Nothing of a body that is too long or compressed."""
    if answer.headers.get("content-encoding", "identity") != "identity":
        return b""
    body = bytearray()
    async for chunk in answer.aiter_raw():
        body += chunk
        if len(body) > MAX_BYTES:
            return b""
    return bytes(body)


async def _frame(stream: Any) -> bytes:
    """The bytes that came, once a whole short frame is there, or 4 KiB."""
    received: bytes = await stream.read(4096, timeout=SECONDS)
    while len(received) < 4096 and _text_of(received) is None:  # noqa: PLR2004
        if not (more := await stream.read(4096, timeout=SECONDS)):
            break
        received += more
    return received


def _text_of(frame: bytes) -> str | None:
    """The text of an unfragmented, unmasked frame of at most 64 KiB (RFC 6455 §5.2)."""
    if len(frame) < 2 or frame[0] != _TEXT_FRAME:  # noqa: PLR2004
        return None
    start, length = 2, frame[1]
    if length == _TWO_BYTES:
        start, length = 4, int.from_bytes(frame[2:4])
    elif length > _SHORT:
        return None
    return frame[start : start + length].decode() if len(frame) >= start + length else None
