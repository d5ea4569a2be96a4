"""Sends the requests of a drill to each address."""

import asyncio
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import httpx
from pydantic import BaseModel, ConfigDict

from issuer.keys import SigningKey
from issuer.tokens.issuing import AccessToken

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
    if not isinstance(keys, list) or not all(isinstance(it, dict) and "kty" in it for it in keys):
        return None
    return frozenset(kid for key in keys if isinstance(kid := key.get("kid"), str))


class KeyPair(NamedTuple):
    """The active key, and the next one."""

    old: SigningKey
    new: SigningKey


class Statuses(NamedTuple):
    """The statuses for a token of the old key, for one of the new key, and for a forged one."""

    old: int
    new: int
    forged: int


class CheckResult(BaseModel):
    """The result for the address `url`; `saw` describes it for people, without a subject.

    A `verifier` was sent tokens: `old`, `new` and `forged` are its statuses. A `key_set` lacks
    the keys in `missing`. A `report` was sent by a live verifier; `url` has audience and address.
    """

    model_config = ConfigDict(frozen=True)

    url: str
    kind: Literal["key_set", "verifier", "report"] | None
    ok: bool
    saw: str
    old: int | None = None
    new: int | None = None
    forged: int | None = None
    missing: tuple[str, ...] = ()


def unreachable(url: str, why: str) -> CheckResult:
    """The address could not be checked."""
    return CheckResult(url=url, kind=None, ok=False, saw=why)


def key_set(url: str, kids: frozenset[str], keys: KeyPair) -> CheckResult:
    """The address publishes keys: the issuer itself, or a copy of its key set."""
    lacking = {name: key.kid for name, key in keys._asdict().items() if key.kid not in kids}
    saw = f"lacks the {' and the '.join(lacking)} key" if lacking else "has both keys"
    missing = tuple(lacking.values())
    return CheckResult(url=url, kind="key_set", ok=not missing, saw=saw, missing=missing)


def lacking(name: str, kid: str) -> CheckResult:
    """A live verifier reported that it lacks that key."""
    saw = "lacks the next key, as it reported: it would refuse its tokens"
    return CheckResult(url=name, kind="report", ok=False, saw=saw, missing=(kid,))


def verifier(url: str, statuses: Statuses) -> CheckResult:
    """The address verifies tokens."""
    fault = next(_faults(statuses), None)
    saw = fault or "accepts both keys and refuses a forged token"
    if not fault and statuses.old == httpx.codes.FORBIDDEN:
        saw += "; the client lacks the scope for this route"
    return CheckResult(url=url, kind="verifier", ok=not fault, saw=saw, **statuses._asdict())


def _faults(statuses: Statuses) -> Iterator[str]:
    """What the verifier does wrong, the cause first. Every status but 401 accepts the token.

    A 403 or 404 concerns rights or the resource, not the token.
    """
    if unclear := [status for status in statuses if _is_unclear(status)]:
        yield f"answers {unclear[0]}, which neither accepts nor refuses a token"
    if statuses.old == httpx.codes.UNAUTHORIZED:
        yield "refuses a valid token of the old key: check its keys, issuer and audience"
    if statuses.forged == statuses.old:
        yield "does not verify: it answers a forged token like a valid one"
    if statuses.forged != httpx.codes.UNAUTHORIZED:
        yield f"answers a forged token with {statuses.forged}, not 401"
    if statuses.new == httpx.codes.UNAUTHORIZED:
        yield "refuses tokens of the new key: its key set is outdated"
    if statuses.new != statuses.old:
        yield "answers tokens of the new key differently from those of the old one"


def _is_unclear(status: int) -> bool:
    """A redirect, which is not followed; a rate limit; an error of the server or of a proxy."""
    is_clear = httpx.codes.is_success(status) or httpx.codes.is_client_error(status)
    return not is_clear or status == httpx.codes.TOO_MANY_REQUESTS


def check(
    url: httpx.URL, keys: KeyPair, fresh_tokens: Callable[[], Iterable[AccessToken]] | None = None
) -> CheckResult:
    """Check a key set, or a verifier with tokens of the old key, of the new one, and a forged one.

    Without `fresh_tokens` none is sent.
    """
    # A query may contain a secret, and reports are stored.
    public_url = str(url.copy_with(query=None, fragment=None))
    try:
        # First without a token: a server that publishes keys must not receive one.
        answer = ask(url)
        if answer.kids is not None:
            return key_set(public_url, answer.kids, keys)
        if fresh_tokens is None:
            why = f"answers {answer.status} and publishes no keys; no token was sent"
            return unreachable(public_url, why)
        statuses = Statuses(*(ask(url, each.token).status for each in fresh_tokens()))
        return verifier(public_url, statuses)
    except NoAnswer as error:
        return unreachable(public_url, str(error))
