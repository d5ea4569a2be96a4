"""One request to one address, bounded in time and size. No error contains the token."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any

import httpx

SECONDS = 10
MAX_BYTES = 1_000_000


class NoAnswer(Exception):
    """There was no usable answer; `str()` gives the cause."""


@dataclass(frozen=True, slots=True)
class AddressAnswer:
    """An answer, redirects included. `kids` are those of a JWK Set, None for other documents."""

    status: int
    kids: frozenset[str] | None = None


def ask(url: httpx.URL, token: str | None = None, *, seconds: float = SECONDS) -> AddressAnswer:
    """The answer to `GET url`, with the token if given (RFC 6750 §2.1); else `NoAnswer`."""
    try:
        return asyncio.run(_ask(url, token, seconds))
    except (TimeoutError, httpx.TimeoutException):
        raise NoAnswer(f"did not answer within {seconds:g} s") from None
    except httpx.ConnectError as error:
        raise NoAnswer(f"cannot be reached: {error}") from None
    except httpx.HTTPError:  # the message may quote the server, which has seen the token
        raise NoAnswer("closed the connection, or does not speak HTTP") from None


async def _ask(url: httpx.URL, token: str | None, seconds: float) -> AddressAnswer:
    headers = {"Accept-Encoding": "identity"}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    async with (
        asyncio.timeout(seconds),
        httpx.AsyncClient(
            timeout=seconds, verify=httpx.create_ssl_context(), trust_env=False
        ) as http,
        http.stream("GET", url, headers=headers) as answer,
    ):
        if token is not None or answer.status_code != httpx.codes.OK:
            return AddressAnswer(answer.status_code)
        return AddressAnswer(answer.status_code, _kids(await _start_of_body(answer)))


async def _start_of_body(answer: httpx.Response) -> bytes:
    """The body, cut off above `MAX_BYTES`."""
    body = b""
    async for piece in answer.aiter_raw():
        body += piece
        if len(body) > MAX_BYTES:
            break
    return body


def _kids(body: bytes) -> frozenset[str] | None:
    """RFC 7517 §5."""
    try:
        document: Any = json.loads(body)
    except (ValueError, RecursionError):
        return None
    keys = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(keys, list) or not all(
        isinstance(key, dict) and "kty" in key for key in keys
    ):
        return None
    return frozenset(kid for key in keys if isinstance(kid := key.get("kid"), str))
