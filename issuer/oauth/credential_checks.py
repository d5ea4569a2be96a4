"""Checking credentials: from memory, or in a worker pool and within the rate limits."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, ParamSpec, TypeVar

from authlib.oauth2 import OAuth2Error

from issuer.background.workers import WorkerPool
from issuer.clients.authentication import (
    AuthenticatedClient,
    ClientAuthentication,
    FetchNeeded,
    LastUse,
    PresentedAssertion,
)
from issuer.clock import Clock
from issuer.errors import InvalidCredentials, TooManyRequests
from issuer.oauth.client_authentication import METHODS, Methods, presented_client
from issuer.oauth.client_authentication.presented import PresentedClient
from issuer.oauth.errors import invalid_client, invalid_grant, named_principal, too_many_requests
from issuer.oauth.request import (
    AuthenticatedRequest,
    ParsedRequest,
    PasswordAttempt,
    ReceivedForm,
)
from issuer.rate_limits import PasswordPool, RateLimits, UserLimited, user_key
from issuer.telemetry.logs import note_client
from issuer.vocabulary import ErrorCode

if TYPE_CHECKING:  # it is imported when it is first used
    from issuer.clients.assertions import ClientAssertions

_WRONG_CREDENTIALS = {ErrorCode.INVALID_CLIENT.value, ErrorCode.INVALID_GRANT.value}

P = ParamSpec("P")
T = TypeVar("T")


class CredentialChecks:
    """Authenticates clients, and runs checks of other credentials within the rate limits.

    A client authenticated from memory is exempt from the failure limit: 256 random bits cannot be
    guessed, and other clients at its address must not affect it. Every other check is refused
    beforehand if the address sent too many wrong credentials: `OAuthError` with status 429.
    """

    def __init__(
        self,
        authentication: ClientAuthentication,
        assertions: Callable[[], "ClientAssertions"],
        last_use: LastUse,
        limits: RateLimits,
        queries: WorkerPool,
        passwords: PasswordPool,
        clock: Clock,
    ) -> None:
        self._authentication = authentication
        self._assertions = assertions
        self._last_use = last_use
        self._limits = limits
        self._queries = queries
        self._passwords = passwords
        self._clock = clock

    async def authenticate(
        self, request: ParsedRequest, methods: Methods = METHODS, *, again: bool = False
    ) -> AuthenticatedRequest:
        """The request with its client; `invalid_client`, the same for every cause.

        `again`: this request was authenticated before, and has used its assertion itself.
        """
        presented, now = presented_client(request, methods), self._clock()
        note_client(named_principal(presented.client_id))
        if presented.assertion is not None:
            assertion = PresentedAssertion(presented.client_id, presented.assertion, again)
            signed = await self._by_assertion(request.form, assertion)
            return AuthenticatedRequest(request, signed.record, None, signed.assertion)
        client = self._authentication.from_memory(presented.client_id, presented.secret, now)
        if client is None:
            client = await self._by_database(request.form, presented)
        self._last_use.note(client.secret, now, request.form.actor.address)
        return AuthenticatedRequest(request, client.record, client.secret)

    async def in_pool(
        self,
        pool: WorkerPool,
        form: ReceivedForm,
        check: Callable[P, T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """`check(…)` in a thread of `pool`; wrong credentials count for the address."""

        outcome = partial(_outcome, partial(check, *args, **kwargs))
        if self._limits.failures is None:
            result = await pool.run(outcome)
        else:
            try:
                result = await self._limits.failures.checked(
                    form.network, lambda: pool.run(outcome), counts=_is_wrong
                )
            except TooManyRequests as error:
                raise too_many_requests(error) from None
        if isinstance(result, OAuth2Error):
            raise result
        return result

    async def password(
        self,
        form: ReceivedForm,
        username: str,
        check: Callable[[PasswordAttempt], T],
        attempt: PasswordAttempt,
    ) -> T:
        """`check(attempt)` in the pool, within the limits of the user and the address.

        A right password counts as one also if the request is refused after it, such as its scope.
        """
        try:
            result = await self._passwords.run(
                user_key(username),
                form.network,
                partial(_outcome, partial(check, attempt)),
                is_right=lambda _: attempt.is_right,
                is_wrong=_is_wrong,
            )
        except UserLimited as error:  # the same answer as for a wrong password
            raise invalid_grant(str(error)) from None
        except TooManyRequests as error:
            raise too_many_requests(error) from None
        if isinstance(result, OAuth2Error):
            raise result
        return result

    async def count(self, request: AuthenticatedRequest) -> None:
        """Count a token request of the client; `OAuthError` with status 429 beyond its limit."""
        if self._limits.requests is None:
            return
        try:
            await self._limits.requests.count(request.client.client_id)
        except TooManyRequests as error:
            raise too_many_requests(error) from None

    @property
    def counts_requests(self) -> bool:
        return self._limits.requests is not None

    async def _by_database(
        self, form: ReceivedForm, presented: PresentedClient
    ) -> AuthenticatedClient:
        """A metadata document that is due is looked at once, as a key that is not known."""
        outcome = await self.in_pool(self._queries, form, self._look_up, presented)
        if isinstance(outcome, FetchNeeded):
            await outcome.fetch_keys()
            outcome = await self.in_pool(
                self._queries, form, self._look_up, presented, is_last=True
            )
        assert isinstance(outcome, AuthenticatedClient)
        return outcome

    async def _by_assertion(
        self, form: ReceivedForm, presented: PresentedAssertion
    ) -> AuthenticatedClient:
        """A key that is not known is looked for once, without holding a thread meanwhile."""
        outcome = await self.in_pool(self._queries, form, self._check_assertion, presented)
        if isinstance(outcome, FetchNeeded):
            await outcome.fetch_keys()
            last = replace(presented, is_last=True)
            outcome = await self.in_pool(self._queries, form, self._check_assertion, last)
        assert isinstance(outcome, AuthenticatedClient)
        return outcome

    def _check_assertion(self, presented: PresentedAssertion) -> AuthenticatedClient | FetchNeeded:
        try:
            return self._assertions().authenticate(presented, self._clock())
        except InvalidCredentials as error:
            raise invalid_client(error.reason, presented.client_id) from None
        except TooManyRequests as error:
            raise too_many_requests(error) from None

    def _look_up(
        self, presented: PresentedClient, *, is_last: bool = False
    ) -> AuthenticatedClient | FetchNeeded:
        try:
            return self._authentication.from_database(
                presented.client_id, presented.secret, self._clock(), is_last=is_last
            )
        except InvalidCredentials as error:
            raise invalid_client(error.reason, presented.client_id) from None


def _outcome(check: Callable[[], T]) -> T | OAuth2Error:
    try:
        return check()
    except OAuth2Error as error:
        return error


def _is_wrong(result: object) -> bool:
    return isinstance(result, OAuth2Error) and result.error in _WRONG_CREDENTIALS
