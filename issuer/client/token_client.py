"""`TokenClient`: one current token for any number of threads and event loops."""

import asyncio
import copy
import logging
import math
import os
import random as random_source
import threading
import time
import weakref
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import overload

import httpx

from issuer.client.bearer import BearerAuth, TokenSource
from issuer.client.credentials import Assertion, PrivateKey, Secret, credential_of
from issuer.client.dpop import ProofMaker
from issuer.client.errors import TokenError, TokenUnavailable
from issuer.client.lifecycle import LONGEST_WAIT, CachedToken, Lifecycle, NextStep
from issuer.client.metadata import require_issuer
from issuer.client.on_behalf_of import (
    ADVICE,
    ClientsBySubject,
    OnBehalfOf,
    Subject,
    exchange_form,
    seconds_left,
)
from issuer.client.token_request import TokenRequest, default_transport

Outcome = CachedToken | TokenError

log = logging.getLogger(__name__)


class TokenClient:
    """Gets access tokens of `issuer` by `client_credentials`, and keeps the current one.

    The credential is `client_secret`, a text, the `Path` of a file that may change, or a callable;
    or `assertion`, the path of a file that may change, such as a token of Kubernetes, a callable,
    or a `PrivateKey`. Callables run in a thread of their own and return text. `audience` and
    `scope` are those of the tokens; `scope` is a text or several.

    All callers share one token and at most one request for the next. It is made in a thread of
    its own, before the token expires, while callers use the old one. `ValueError` for arguments
    that cannot work, such as an `http://` issuer on another machine. `on_behalf_of` gives clients
    whose tokens act for users.

    With `dpop`, the tokens are bound to a key (RFC 9449): True for a new one of this process, or a
    `PrivateKey`. Requests of `auth()` and of `remote_agent` then have a proof each.

    `transport` makes the transport to the issuer, for a proxy or a private CA.
    """

    def __init__(
        self,
        issuer: str,
        client_id: str,
        *,
        client_secret: Secret | None = None,
        assertion: Assertion | None = None,
        audience: str | None = None,
        scope: str | Iterable[str] | None = None,
        dpop: bool | PrivateKey = False,
        transport: Callable[[], httpx.AsyncBaseTransport] = default_transport,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
        sleep: Callable[[float], object] = time.sleep,
        random: Callable[[], float] = random_source.random,
    ) -> None:
        require_issuer(issuer)
        if not isinstance(client_id, str) or not client_id:
            raise ValueError("client_id must be a non-empty text.")
        self._issuer = issuer
        self._client_id = client_id
        self.audience = audience
        self._scope = _as_text(scope)
        form = {"grant_type": "client_credentials", "audience": audience, "scope": self._scope}
        credential = credential_of(issuer, client_id, client_secret, assertion)
        members = {name: value for name, value in form.items() if value}
        self._request = TokenRequest(
            issuer, client_id, credential, members, transport, clock, sleep, random
        )
        if dpop:
            key = dpop if isinstance(dpop, PrivateKey) else None
            self._request.proofs = ProofMaker(key, wall_clock=wall_clock)
        self._clock = clock
        self._wall_clock = wall_clock
        self._random = random
        self._acts_for = ""
        self._by_subject: ClientsBySubject[TokenClient] = ClientsBySubject()
        self._begin(math.inf)

    def _begin(self, subject_ends: float) -> None:
        self._lock = threading.Lock()
        self._lifecycle = Lifecycle(subject_ends)
        self._pending: Future[Outcome] = Future()
        _clients.add(self)

    def __repr__(self) -> str:
        return f"TokenClient({self._issuer!r}, {self._client_id!r}{self._acts_for})"

    @overload
    def on_behalf_of(
        self, token: str, audience: str | None = None, scope: str | Iterable[str] | None = None
    ) -> "TokenClient": ...
    @overload
    def on_behalf_of(
        self,
        token: Callable[[], str | TokenSource],
        audience: str | None = None,
        scope: str | Iterable[str] | None = None,
    ) -> OnBehalfOf: ...
    def on_behalf_of(
        self,
        token: str | Callable[[], str | TokenSource],
        audience: str | None = None,
        scope: str | Iterable[str] | None = None,
    ) -> "TokenClient | OnBehalfOf":
        """A client whose tokens act for the user of `token`, an access token (RFC 8693).

        `audience` and `scope` are those of its tokens; by default those of this client. The same
        three give the same client, for the `MOST_SUBJECT_TOKENS` that were used last. Its tokens
        end with `token`, and then it raises `SubjectTokenExpired`.

        A callable returns the token of the user at hand, or another `TokenClient` to use in its
        place. It is called in the caller's thread and context, for each token.
        """
        audience, scope = audience or self.audience, _as_text(scope) or self._scope
        if callable(token):
            return OnBehalfOf(self, token, audience, scope)
        if not isinstance(token, str) or not token:
            raise ValueError("token must be a non-empty text, or a callable.")
        return self._by_subject.get((token, audience, scope), self._exchanging)

    def _exchanging(self, subject: Subject) -> "TokenClient":
        token, audience, _ = subject
        left = seconds_left(token, self._wall_clock())
        ends = math.inf if left is None else self._clock() + left
        other = copy.copy(self)
        other.audience = audience
        other._acts_for = f", on behalf of a user, audience={audience!r}"
        form = exchange_form(*subject)
        other._request = replace(self._request, form=form, advice=ADVICE, subject_ends=ends)
        other._begin(ends)
        return other

    @property
    def proofs(self) -> ProofMaker | None:
        """Makes the proofs that requests with the tokens need; None if the tokens are not bound.

        For requests that `auth()` does not send, such as the handshake of a WebSocket.
        """
        return self._request.proofs

    @property
    def has_ended(self) -> bool:
        """Whether the token that is exchanged has expired."""
        return self._clock() >= self._lifecycle.subject_ends

    def auth(self, *origins: str) -> BearerAuth:
        """Adds the token to requests of an `httpx.Client` or `httpx.AsyncClient`.

        The token is sent to these origins only, such as "https://os.example"; if none is named, to
        the origin of the first request only, which must be `https://` or on this machine.
        """
        return BearerAuth(self, origins)

    def token(self, *, timeout: float = LONGEST_WAIT) -> str:
        """The current token; waits at most `timeout` seconds for one. `TokenError` if none."""
        taken = self._take(self._lifecycle.ask)
        assert taken is not None
        return self._wait(taken, timeout)

    async def async_token(self, *, timeout: float = LONGEST_WAIT) -> str:
        """Like `token`, without blocking the event loop (asyncio)."""
        taken = self._take(self._lifecycle.ask)
        assert taken is not None
        return await self._wait_async(taken, timeout)

    def replace(self, refused: str, *, timeout: float = LONGEST_WAIT) -> str | None:
        """Another token than `refused`, which a service answered with 401.

        None if a refused token was replaced a few seconds ago: then the 401 stands.
        """
        taken = self._take(lambda now: self._lifecycle.replace(refused, now))
        return None if taken is None else self._wait(taken, timeout)

    async def async_replace(self, refused: str, *, timeout: float = LONGEST_WAIT) -> str | None:
        """Like `replace`, without blocking the event loop (asyncio)."""
        taken = self._take(lambda now: self._lifecycle.replace(refused, now))
        return None if taken is None else await self._wait_async(taken, timeout)

    def report_refused(self, refused: str) -> None:
        """Request another token than `refused`, as `replace` does, without waiting for it."""
        with suppress(TokenError):
            self._take(lambda now: self._lifecycle.replace(refused, now))

    def _take(self, decide: Callable[[float], NextStep | None]) -> str | Future[Outcome] | None:
        """The token to use, or what to wait for."""
        with self._lock:
            step = decide(self._clock())
            if step is not None and step.starts:
                self._pending = Future()
                self._pending.set_running_or_notify_cancel()  # no waiter can cancel it for others
            pending = self._pending
        if step is None:
            return None
        if step.starts:
            run, name = partial(self._run, pending), "agentos-issuer-token"
            try:
                threading.Thread(target=run, name=name, daemon=True).start()
            except RuntimeError as error:  # no more threads, or the interpreter is ending
                self._end(pending, TokenUnavailable(f"No thread for a token request: {error}."))
        if step.error is not None:
            raise step.error.fresh()
        return pending if step.token is None else step.token

    def _run(self, pending: Future[Outcome]) -> None:
        outcome: Outcome
        try:
            outcome = self._request()
        except TokenError as error:
            outcome = error.with_traceback(None)  # its frames hold the credential
        except BaseException as error:  # or all would wait for ever
            outcome = TokenUnavailable(f"The token request failed: {type(error).__name__}.")
        self._end(pending, outcome)

    def _end(self, pending: Future[Outcome], outcome: Outcome) -> None:
        with self._lock:
            if isinstance(outcome, CachedToken):
                self._lifecycle.succeed(outcome)
            else:
                pause = self._lifecycle.fail(outcome, self._clock(), self._random())
                log.warning("%r: %s (no other request for %.1f s)", self, outcome, pause)
        pending.set_result(outcome)

    def _wait(self, taken: str | Future[Outcome], timeout: float) -> str:
        if isinstance(taken, str):
            return taken
        try:
            outcome = taken.result(timeout)
        except TimeoutError:
            raise self._too_late(timeout) from None
        return _value(outcome)

    async def _wait_async(self, taken: str | Future[Outcome], timeout: float) -> str:
        if isinstance(taken, str):
            return taken
        try:
            async with asyncio.timeout(timeout):
                outcome = await asyncio.wrap_future(taken)
        except TimeoutError:
            raise self._too_late(timeout) from None
        return _value(outcome)

    def _too_late(self, seconds: float) -> TokenUnavailable:
        return TokenUnavailable(f"No token of {self._issuer} within {seconds:.0f} s.")

    def forget_request(self) -> None:
        """In a forked child: the thread of a request did not come along."""
        self._lock = threading.Lock()
        self._by_subject.forget_lock()
        if self.proofs is not None:
            self.proofs.forget_lock()
        self._lifecycle.abandon()


def _as_text(scope: str | Iterable[str] | None) -> str | None:
    return scope if scope is None or isinstance(scope, str) else " ".join(scope)


def _value(outcome: Outcome) -> str:
    if isinstance(outcome, CachedToken):
        return outcome.value
    raise outcome.fresh()


_clients: weakref.WeakSet[TokenClient] = weakref.WeakSet()


def _forget_requests() -> None:
    for client in list(_clients):
        client.forget_request()


os.register_at_fork(after_in_child=_forget_requests)
