"""One token from the issuer: bounded requests that are repeated for as long as that may help."""

import asyncio
import json
import logging
import math
import re
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from functools import cache
from types import MappingProxyType
from typing import Any

import httpx

from issuer.client.credentials import Credential
from issuer.client.dpop import DPOP, ProofMaker
from issuer.client.errors import TokenError, TokenRefused, TokenUnavailable
from issuer.client.lifecycle import CachedToken, cached_token
from issuer.client.metadata import (
    READ_AGAIN_AFTER,
    DiscoveredEndpoint,
    metadata_url,
    token_endpoint,
)

ATTEMPTS = 6
ATTEMPT_SECONDS = 10.0
ALL_SECONDS = 30.0
LONGEST_WAIT = 10.0
_FIRST_WAIT = 0.25
_UNKNOWN_LIFETIME, _LONGEST_LIFETIME = 60.0, 86_400.0
_BEARER_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")  # RFC 6750 §2.1
_MAX_TOKEN = 64 * 1024
_MAX_TEXT = 300
_PASSING = {"temporarily_unavailable", "server_error", "slow_down"}
MAX_BYTES = 256 * 1024
_HEADERS = {"Accept": "application/json", "Accept-Encoding": "identity"}

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class IssuerAnswer:
    """An answer. `document` is None if it is not a JSON object; `retry_after` is in seconds.

    `nonce` is one for the next proof (RFC 9449 §8).
    """

    status: int
    document: dict[str, Any] | None = field(repr=False)
    retry_after: float | None
    nonce: str | None = None

    @property
    def asks_for_nonce(self) -> bool:
        return bool(self.nonce) and (self.document or {}).get("error") == "use_dpop_nonce"


def default_transport() -> httpx.AsyncBaseTransport:
    """Verifies TLS by the system's CAs, or `SSL_CERT_FILE`. Ignores proxies of the environment."""
    return httpx.AsyncHTTPTransport(verify=_authorities())


_authorities = cache(httpx.create_ssl_context)


async def send(
    transport: httpx.AsyncBaseTransport,
    method: str,
    url: str,
    seconds: float,
    *,
    headers: dict[str, str] | None = None,
    form: dict[str, str] | None = None,
) -> IssuerAnswer:
    """The answer to one request; `TokenUnavailable` if there is none within `seconds`."""
    timeout = dict.fromkeys(("connect", "read", "write", "pool"), seconds)
    request = httpx.Request(
        method, url, headers=_HEADERS | (headers or {}), data=form, extensions={"timeout": timeout}
    )
    try:
        async with asyncio.timeout(seconds):
            answer = await transport.handle_async_request(request)
            try:
                return await _read(answer, url)
            finally:
                await answer.aclose()
    except TokenUnavailable:
        raise
    except TimeoutError:
        cause = f"did not answer within {seconds:.0f} s"
    except (httpx.HTTPError, httpx.InvalidURL, OSError, UnicodeError) as error:
        cause = f"cannot be reached: {error or type(error).__name__}"
    raise TokenUnavailable(f"{url} {cause}.")


async def _read(answer: httpx.Response, url: str) -> IssuerAnswer:
    body = bytearray()
    if answer.headers.get("content-encoding", "identity") == "identity":  # as was asked for
        async for chunk in answer.aiter_bytes():
            body += chunk
            if len(body) > MAX_BYTES:
                raise TokenUnavailable(f"{url} answered more than {MAX_BYTES} bytes.")
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        document = None
    found = document if isinstance(document, dict) else None
    nonce = answer.headers.get("DPoP-Nonce")
    return IssuerAnswer(answer.status_code, found, _retry_after(answer.headers), nonce)


def _retry_after(headers: httpx.Headers) -> float | None:
    """RFC 9110 §10.2.3: seconds, or a date, compared with the `Date` of the same answer."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdecimal():
        return float(value[:9])
    try:
        difference = parsedate_to_datetime(value) - parsedate_to_datetime(headers.get("date", ""))
    except (ValueError, TypeError, IndexError):
        return None
    return max(0.0, difference.total_seconds())


class FoundEndpoint:
    """The token endpoint, for all requests of a client. Threads may find it at the same time."""

    found: tuple[DiscoveredEndpoint, float] | None = None


@dataclass(eq=False, repr=False)
class TokenRequest:
    """Requests tokens of one client with one form. Not thread-safe; a call blocks its thread.

    `form` has the grant type and its parameters. `advice` says for errors of the issuer what to
    do. Until `subject_ends` the token that is exchanged is valid. With `proofs`, tokens are bound.
    """

    issuer: str
    client_id: str
    credential: Credential
    form: dict[str, str]
    transport: Callable[[], httpx.AsyncBaseTransport]
    clock: Callable[[], float]
    sleep: Callable[[float], object]
    random: Callable[[], float]
    advice: Mapping[str, str] = field(default_factory=dict)
    subject_ends: float = math.inf
    endpoint: FoundEndpoint = field(default_factory=FoundEndpoint)
    proofs: ProofMaker | None = None

    def __call__(self) -> CachedToken:
        """A new token, after `ATTEMPTS` requests in `ALL_SECONDS` at most; `TokenError` if none."""
        ends = self.clock() + ALL_SECONDS
        attempt = 0
        while True:
            attempt += 1
            value = self.credential.read()
            try:
                return _complete(self._attempt(value, ends))
            except TokenRefused:
                if attempt == ATTEMPTS or not self.credential.has_changed(value):
                    raise
            except TokenUnavailable as error:
                self._wait_after(error, attempt, ends)

    def _wait_after(self, error: TokenUnavailable, attempt: int, ends: float) -> None:
        """Wait before the next attempt, or raise the error if there is no use or time for one."""
        pause = _FIRST_WAIT * 2 ** (attempt - 1) * (0.5 + 0.5 * self.random())
        pause = max(pause, error.retry_after or 0.0)
        if attempt == ATTEMPTS or pause > LONGEST_WAIT or self.clock() + pause >= ends:
            self.endpoint.found = None  # it may have moved
            raise error
        log.info("%s Trying again in %.1f s.", error, pause)
        self.sleep(pause)

    async def _attempt(self, value: str, ends: float) -> CachedToken:
        async with self.transport() as transport:
            endpoint = await self._find(transport, ends)
            requested_at = self.clock()
            answer = await self._post(transport, endpoint, value, ends)
            if self.proofs is not None and answer.asks_for_nonce:
                # An assertion counts once.
                value = self.credential.read()
                answer = await self._post(transport, endpoint, value, ends)
        kind = "Bearer" if self.proofs is None else DPOP
        token, lifetime = token_in(answer, endpoint.url, self.advice, kind)
        return cached_token(token, lifetime, requested_at, self.random(), self.subject_ends)

    async def _post(
        self,
        transport: httpx.AsyncBaseTransport,
        endpoint: DiscoveredEndpoint,
        value: str,
        ends: float,
    ) -> IssuerAnswer:
        """The answer to one request, with a proof if tokens are bound."""
        basic = endpoint.takes_basic
        headers, form = self.credential.present(value, self.client_id, basic=basic)
        if self.proofs is not None:
            headers[DPOP] = self.proofs.proof("POST", endpoint.url)
        left, form = self._seconds(ends), self.form | form
        answer = await send(transport, "POST", endpoint.url, left, headers=headers, form=form)
        if self.proofs is not None:
            self.proofs.keep_nonce(endpoint.url, answer.nonce)
        return answer

    async def _find(self, transport: httpx.AsyncBaseTransport, ends: float) -> DiscoveredEndpoint:
        found = self.endpoint.found
        if found is not None and self.clock() < found[1] + READ_AGAIN_AFTER:
            return found[0]
        url = metadata_url(self.issuer)
        answer = await send(transport, "GET", url, self._seconds(ends))
        if answer.status != httpx.codes.OK or answer.document is None:
            raise _unusable(answer, url)
        endpoint = token_endpoint(self.issuer, answer.document)
        self.endpoint.found = endpoint, self.clock()
        return endpoint

    def _seconds(self, ends: float) -> float:
        return max(0.1, min(ATTEMPT_SECONDS, ends - self.clock()))


def _complete(work: Coroutine[Any, Any, CachedToken]) -> CachedToken:
    """The result, from a loop of its own. Unlike `asyncio.run`, it waits for no name resolution."""
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(work)
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


def token_in(
    answer: IssuerAnswer,
    url: str,
    advice: Mapping[str, str] = MappingProxyType({}),
    type_: str = "Bearer",
) -> tuple[str, float]:
    """The token and its lifetime in seconds (RFC 6749 §5.1), or a `TokenError`.

    Also for another `token_type`: a token that is not bound is none, where one was to be.
    """
    document = answer.document
    if answer.status != httpx.codes.OK or document is None:
        raise _refusal(answer, advice) or _unusable(answer, url)
    token, kind = document.get("access_token"), document.get("token_type")
    if not isinstance(kind, str) or kind.lower() != type_.lower():
        raise TokenUnavailable(f"{url} answered without a token of the type {type_}.")
    if not isinstance(token, str) or len(token) > _MAX_TOKEN or not _BEARER_TOKEN.fullmatch(token):
        raise TokenUnavailable(f"{url} answered without a usable access_token.")
    return token, _lifetime(document.get("expires_in", _UNKNOWN_LIFETIME), url)


def _lifetime(seconds: object, url: str) -> float:
    # Less than a second would be renewed all the time.
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not seconds >= 1:
        raise TokenUnavailable(
            f"{url} answered with an expires_in that is no number of seconds from 1 on."
        )
    return float(min(seconds, _LONGEST_LIFETIME))


def _refusal(answer: IssuerAnswer, advice: Mapping[str, str]) -> TokenError | None:
    document = answer.document or {}
    error = _text(document.get("error"))
    is_passing = answer.status in {408, 425, 429} or error in _PASSING
    if error is None or is_passing or not 400 <= answer.status < 500:  # noqa: PLR2004
        return None
    description = _text(document.get("error_description"))
    message = f"The issuer refuses a token: {error}" + (f" ({description})" if description else "")
    if advised := advice.get(description or "") or advice.get(error):
        message += f". {advised}"
    return TokenRefused(message, error=error, description=description, status=answer.status)


def _unusable(answer: IssuerAnswer, url: str) -> TokenUnavailable:
    if answer.document is None and answer.status == httpx.codes.OK:
        return TokenUnavailable(f"{url} did not answer with a JSON object.")
    document = answer.document or {}
    error = _text(document.get("error"))
    what = f"{answer.status}" + (f" ({error})" if error else "")
    return TokenUnavailable(f"{url} answered {what}.", retry_after=answer.retry_after)


def _text(value: object) -> str | None:
    """What the issuer says, in bounds and without control characters."""
    if not isinstance(value, str) or not value:
        return None
    return "".join(each if each.isprintable() else "?" for each in value[:_MAX_TEXT])
