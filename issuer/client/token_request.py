"""One token from the issuer: a request that is repeated for as long as that may help."""

import asyncio
import copy
import logging
import math
import re
from collections.abc import Callable, Coroutine, Mapping
from types import MappingProxyType
from typing import Any, Self

import httpx

from issuer.client.credentials import Credential
from issuer.client.errors import TokenError, TokenRefused, TokenUnavailable
from issuer.client.http_request import IssuerAnswer, send
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
_NO_ADVICE: Mapping[str, str] = MappingProxyType({})
_PASSING = {"temporarily_unavailable", "server_error", "slow_down"}

log = logging.getLogger(__name__)


class FoundEndpoint:
    """The token endpoint, for all requests of a client. Threads may find it at the same time."""

    def __init__(self) -> None:
        self.found: tuple[DiscoveredEndpoint, float] | None = None


class TokenRequest:
    """Requests tokens of one client with one form. Not thread-safe; a call blocks its thread.

    `form` has the grant type and its parameters. `advice` says for errors of the issuer what to
    do. Until `subject_ends` the token that is exchanged is valid.
    """

    def __init__(
        self,
        issuer: str,
        client_id: str,
        credential: Credential,
        form: dict[str, str],
        transport: Callable[[], httpx.AsyncBaseTransport],
        clock: Callable[[], float],
        sleep: Callable[[float], object],
        random: Callable[[], float],
    ) -> None:
        self._issuer = issuer
        self._client_id = client_id
        self._credential = credential
        self._form = form
        self._advice = _NO_ADVICE
        self.subject_ends = math.inf
        self._transport = transport
        self._now = clock
        self._sleep = sleep
        self._random = random
        self._endpoint = FoundEndpoint()

    def exchanging(
        self, form: dict[str, str], advice: Mapping[str, str], subject_ends: float
    ) -> Self:
        """A request of the same client with another form."""
        other = copy.copy(self)
        other._form, other._advice, other.subject_ends = form, advice, subject_ends
        return other

    def __call__(self) -> CachedToken:
        """A new token, after `ATTEMPTS` requests in `ALL_SECONDS` at most; `TokenError` if none."""
        ends = self._now() + ALL_SECONDS
        attempt = 0
        while True:
            attempt += 1
            value = self._credential.read()
            try:
                return _complete(self._attempt(value, ends))
            except TokenRefused:
                if attempt == ATTEMPTS or not self._credential.has_changed(value):
                    raise
            except TokenUnavailable as error:
                self._wait_after(error, attempt, ends)

    def _wait_after(self, error: TokenUnavailable, attempt: int, ends: float) -> None:
        """Wait before the next attempt, or raise the error if there is no use or time for one."""
        pause = _FIRST_WAIT * 2 ** (attempt - 1) * (0.5 + 0.5 * self._random())
        pause = max(pause, error.retry_after or 0.0)
        if attempt == ATTEMPTS or pause > LONGEST_WAIT or self._now() + pause >= ends:
            self._endpoint.found = None  # it may have moved
            raise error
        log.info("%s Trying again in %.1f s.", error, pause)
        self._sleep(pause)

    async def _attempt(self, value: str, ends: float) -> CachedToken:
        async with self._transport() as transport:
            endpoint = await self._discover(transport, ends)
            headers, form = self._credential.present(
                value, self._client_id, basic=endpoint.takes_basic
            )
            requested_at = self._now()
            answer = await send(
                transport,
                "POST",
                endpoint.url,
                self._seconds(ends),
                headers=headers,
                form=self._form | form,
            )
        token, lifetime = token_in(answer, endpoint.url, self._advice)
        return cached_token(token, lifetime, requested_at, self._random(), self.subject_ends)

    async def _discover(
        self, transport: httpx.AsyncBaseTransport, ends: float
    ) -> DiscoveredEndpoint:
        found = self._endpoint.found
        if found is not None and self._now() < found[1] + READ_AGAIN_AFTER:
            return found[0]
        url = metadata_url(self._issuer)
        answer = await send(transport, "GET", url, self._seconds(ends))
        if answer.status != httpx.codes.OK or answer.document is None:
            raise _unusable(answer, url)
        endpoint = token_endpoint(self._issuer, answer.document)
        self._endpoint.found = endpoint, self._now()
        return endpoint

    def _seconds(self, ends: float) -> float:
        return max(0.1, min(ATTEMPT_SECONDS, ends - self._now()))


def _complete(work: Coroutine[Any, Any, CachedToken]) -> CachedToken:
    """The result, from a loop of its own. Unlike `asyncio.run`, it waits for no name resolution."""
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(work)
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


def token_in(
    answer: IssuerAnswer, url: str, advice: Mapping[str, str] = _NO_ADVICE
) -> tuple[str, float]:
    """The token and its lifetime in seconds (RFC 6749 §5.1), or a `TokenError`."""
    document = answer.document
    if answer.status != httpx.codes.OK or document is None:
        raise _refusal(answer, advice) or _unusable(answer, url)
    token, kind = document.get("access_token"), document.get("token_type")
    if not isinstance(kind, str) or kind.lower() != "bearer":
        raise TokenUnavailable(f"{url} answered without a token of the type Bearer.")
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
    """The issuer's own error, unless it passes by itself."""
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
