"""Adds the token to requests of httpx, and replaces a token that was refused, once."""

import threading
from collections.abc import AsyncGenerator, Generator, Iterable
from typing import Protocol

import httpx

from issuer.client.dpop import ProofMaker, authorization, is_about_proof
from issuer.client.errors import WrongOrigin
from issuer.client.lifecycle import LONGEST_WAIT
from issuer.client.metadata import is_safe, origin_of, origin_text, parse_url

Flow = Generator[httpx.Request, httpx.Response, None]
AsyncFlow = AsyncGenerator[httpx.Request, httpx.Response]


class TokenSource(Protocol):
    """Where the tokens come from: a `TokenClient` or an `OnBehalfOf`.

    `proofs` makes the proofs that its tokens need, if they are bound to a key.
    """

    @property
    def proofs(self) -> ProofMaker | None: ...
    def token(self, *, timeout: float = LONGEST_WAIT) -> str: ...
    async def async_token(self, *, timeout: float = LONGEST_WAIT) -> str: ...
    def replace(self, refused: str, *, timeout: float = LONGEST_WAIT) -> str | None: ...
    async def async_replace(self, refused: str, *, timeout: float = LONGEST_WAIT) -> str | None: ...
    def report_refused(self, refused: str) -> None: ...


class BearerAuth(httpx.Auth):
    """RFC 6750 §2.1, or RFC 9449 §7.1, for the requests to some origins; else `WrongOrigin`.

    httpx calls the flow once for a request with all its redirects, and removes the token from a
    redirect to another origin. A request that goes there by itself, such as `next_request` of a
    redirect that was not followed, is refused here.

    After a 401 the request is sent once more with a new token, and once with the nonce that the
    answer asks for, unless its body was a stream.
    """

    def __init__(self, tokens: TokenSource, origins: Iterable[str] = ()) -> None:
        self._tokens = tokens
        self._origins = frozenset(origin_of(parse_url(each, "origin")) for each in origins)
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        origins = ", ".join(sorted(map(origin_text, self._origins)))
        return f"BearerAuth({self._tokens!r}, {origins or 'no origin yet'})"

    def sync_auth_flow(self, request: httpx.Request) -> Flow:
        """For `httpx.Client`."""
        self._require_origin(request.url)
        token = self._tokens.token()
        response = yield self._authorize(request, token)
        if self._asks_for_nonce(response) and _can_be_repeated(request):
            response = yield self._authorize(request, token)
        if is_refusal(response, token):
            if not _can_be_repeated(request):
                self._tokens.report_refused(token)
            elif another := self._tokens.replace(token):
                yield self._authorize(request, another)

    async def async_auth_flow(self, request: httpx.Request) -> AsyncFlow:
        """For `httpx.AsyncClient` on asyncio."""
        self._require_origin(request.url)
        token = await self._tokens.async_token()
        response = yield self._authorize(request, token)
        if self._asks_for_nonce(response) and _can_be_repeated(request):
            response = yield self._authorize(request, token)
        if is_refusal(response, token):
            if not _can_be_repeated(request):
                self._tokens.report_refused(token)
            elif another := await self._tokens.async_replace(token):
                yield self._authorize(request, another)

    def _authorize(self, request: httpx.Request, token: str) -> httpx.Request:
        headers = authorization(self._tokens.proofs, token, request.method, request.url)
        request.headers.update(headers)
        return request

    def _asks_for_nonce(self, response: httpx.Response) -> bool:
        proofs = self._tokens.proofs
        return proofs is not None and proofs.asks_for_nonce(response)

    def _require_origin(self, url: httpx.URL) -> None:
        origin = origin_of(url)
        with self._lock:
            if not self._origins:
                if not is_safe(url):
                    raise WrongOrigin(
                        f"The token is not sent to {origin_text(origin)}, which is neither https://"
                        " nor on this machine. In a network that you trust, use"
                        f" auth({origin_text(origin)!r})."
                    )
                self._origins = frozenset({origin})
            if origin not in self._origins:
                known = ", ".join(sorted(map(origin_text, self._origins)))
                raise WrongOrigin(
                    f"The token is not sent to {origin_text(origin)}: this auth is for {known}."
                    " Name every origin, auth(…, …), or use an auth for each."
                )


def is_refusal(response: httpx.Response, token: str) -> bool:
    """Whether this token was refused, and not its proof, or a request redirected without it."""
    sent = response.request.headers.get("Authorization")
    is_sent = sent in {f"Bearer {token}", f"DPoP {token}"}
    is_refused = response.status_code == httpx.codes.UNAUTHORIZED
    return is_refused and is_sent and not is_about_proof(response)


def _can_be_repeated(request: httpx.Request) -> bool:
    """Whether the body is in memory; a stream may be used up."""
    try:
        _ = request.content
    except httpx.RequestNotRead:
        return False
    return True
