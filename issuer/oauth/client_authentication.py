"""Client authentication (RFC 6749 §2.3): its methods, and checking what they present.

A credential is checked from memory, or in a worker pool and within the rate limits.
"""

import base64
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar
from urllib.parse import unquote

from issuer.background.workers import WorkerPool
from issuer.clients.authentication import AuthenticatedClient, ClientAuthentication, LastUse
from issuer.clock import Clock
from issuer.errors import InvalidCredentials
from issuer.federation.fetching import FetchNeeded
from issuer.http.requests import values_of
from issuer.oauth import messages
from issuer.rate_limits.limits import RateLimits
from issuer.rate_limits.password_pool import PasswordPool, user_key
from issuer.telemetry.logs import note_client
from issuer.vocabulary import CLIENT_ASSERTION_TYPE, AuthMethod, ErrorCode

if TYPE_CHECKING:  # it is imported when it is first used
    from issuer.clients.assertions import ClientAssertions, ProvenClient

WRONG_ASSERTION = "The assertion cannot be used."
_WRONG_CREDENTIALS = {ErrorCode.INVALID_CLIENT.value, ErrorCode.INVALID_GRANT.value}

T = TypeVar("T")


# One look at credentials, the last one or not: the client, or what is needed to tell.
_Check: TypeAlias = Callable[
    [bool], Awaitable[AuthenticatedClient | FetchNeeded | messages.OAuthError]
]


@dataclass(frozen=True, slots=True)
class PresentedClient:
    """A client id with a secret or an assertion, not yet checked; with neither, a public client."""

    client_id: str
    secret: str | None = field(repr=False)
    assertion: str | None = field(default=None, repr=False)


# A method: the credentials of its kind in the request; `invalid_request` if they are unreadable.
Methods: TypeAlias = Mapping[AuthMethod, Callable[[messages.ParsedRequest], PresentedClient | None]]


def client_secret_basic(request: messages.ParsedRequest) -> PresentedClient | None:
    """HTTP Basic (RFC 6749 §2.3.1, RFC 7617): the `Authorization` header."""
    headers = values_of(request.form.headers, b"authorization")
    if len(headers) > 1:
        raise _unreadable()
    scheme, _, encoded = (headers[0] if headers else b"").decode("latin-1").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        decoded = base64.b64decode(encoded.strip(), validate=True).decode("utf-8")
        # RFC 6749 §2.3.1 encodes id and secret as form values, so that there is one colon.
        # Most clients do not, so the id may contain colons; no secret of this issuer does. A
        # plus stays a plus, since no id and no secret contains a space.
        client_id, colon, secret = decoded.rpartition(":")
        client_id, secret = unquote(client_id, errors="strict"), unquote(secret, errors="strict")
    except ValueError:
        raise _unreadable() from None
    if not colon:
        raise _unreadable()
    return PresentedClient(client_id, secret)


def client_secret_post(request: messages.ParsedRequest) -> PresentedClient | None:
    """Credentials in the form (RFC 6749 §2.3.1)."""
    if (secret := request.parameters.get("client_secret")) is None:
        return None
    return PresentedClient(request.parameters.get("client_id", ""), secret)


def private_key_jwt(request: messages.ParsedRequest) -> PresentedClient | None:
    """An assertion that the client has signed (RFC 7521 §4.2, RFC 7523 §2.2).

    The form may leave `client_id` out: then the assertion names the client.
    """
    parameters = request.parameters
    if (assertion := parameters.get("client_assertion")) is None:
        return None
    client_id = parameters.get("client_id") or _unverified_subject(assertion)
    if (kind := parameters.get("client_assertion_type")) is None:
        raise messages.invalid_request("client_assertion_type is missing.", target=client_id)
    if kind != CLIENT_ASSERTION_TYPE:
        raise messages.invalid_client("unknown client_assertion_type", client_id)
    return PresentedClient(client_id, None, assertion)


def no_credentials(request: messages.ParsedRequest) -> PresentedClient | None:
    """Public clients: their id, and no credentials of any kind (RFC 6749 §3.2.1, RFC 7591 §2)."""
    parameters = request.parameters
    client_id = parameters.get("client_id")
    has_credentials = "client_secret" in parameters or "client_assertion" in parameters
    has_header = values_of(request.form.headers, b"authorization")
    if client_id is None or has_credentials or has_header:
        return None
    return PresentedClient(client_id, None)


# For endpoints that only confidential clients may use.
WITH_CREDENTIALS: Methods = {
    AuthMethod.CLIENT_SECRET_BASIC: client_secret_basic,
    AuthMethod.CLIENT_SECRET_POST: client_secret_post,
    AuthMethod.PRIVATE_KEY_JWT: private_key_jwt,
}
METHODS: Methods = {**WITH_CREDENTIALS, AuthMethod.NONE: no_credentials}


def has_credentials(request: messages.ParsedRequest) -> bool:
    """Whether it authenticates a client by anything but its id."""
    return any(each(request) is not None for each in WITH_CREDENTIALS.values())


def presented_client(request: messages.ParsedRequest, methods: Methods) -> PresentedClient:
    """The client that the request authenticates by one of the `methods`, not yet checked.

    These are all, or all but `none`. `OAuthError` if there is no client, or if the request uses
    several methods or names two clients.
    """
    found = [one for each in WITH_CREDENTIALS.values() if (one := each(request)) is not None]
    if not found and AuthMethod.NONE in methods and (public := no_credentials(request)) is not None:
        found = [public]
    if len(found) > 1:
        raise messages.invalid_request("Use one method of client authentication, not several.")
    if not found:
        raise messages.invalid_client("no credentials")
    (presented,) = found
    if request.parameters.get("client_id", presented.client_id) != presented.client_id:
        raise messages.invalid_request(
            "The request names one client and authenticates another.", target=presented.client_id
        )
    return presented


@dataclass(eq=False, repr=False)
class CredentialChecks:
    """Authenticates clients, and runs checks of passwords within the rate limits.

    A client authenticated from memory is exempt from the failure limit: 256 random bits cannot be
    guessed, and other clients at its address must not affect it. Every other check is refused
    beforehand if the address sent too many wrong credentials: `TooManyRequests`.
    """

    _authentication: ClientAuthentication
    _assertions: Callable[[], "ClientAssertions"]
    _last_use: LastUse
    limits: RateLimits
    _queries: WorkerPool
    _passwords: PasswordPool
    _clock: Clock
    # None until there was one.
    _assertions_in_use: "ClientAssertions | None" = field(default=None, init=False)

    async def authenticate(
        self, request: messages.ParsedRequest, methods: Methods = METHODS, *, again: bool = False
    ) -> messages.AuthenticatedRequest:
        """The request with its client; `invalid_client`, the same for every cause.

        `again`: this request was authenticated before, and has used its assertion itself.
        """
        presented, now = presented_client(request, methods), self._clock()
        client_id, client = presented.client_id, None
        if presented.assertion is None:
            client = self._authentication.from_memory(client_id, presented.secret, now)
        note_client(client.record.client_id if client else messages.named_principal(client_id))
        if client is None:
            client = await self._look_up(request.form, partial(self._check, presented, again))
        self._last_use.note(client.secret, now, request.form.actor.address)
        return messages.AuthenticatedRequest(
            request, client.record, client.secret, client.assertion, is_retry=again
        )

    async def authenticate_by_grant(
        self, request: messages.ParsedRequest, *, again: bool = False
    ) -> messages.AuthenticatedRequest:
        """The request with the client that its `assertion` is for (RFC 7523 §2.1).

        `invalid_grant`, the same for every cause. `again` as above.
        """
        client_id, text = request.parameters.get("client_id"), request.parameters["assertion"]
        check = partial(self._check_grant, client_id, text, again)
        client = await self._look_up(request.form, check)
        note_client(client.record.client_id)
        return messages.AuthenticatedRequest(
            request, client.record, None, client.assertion, is_granted=True, is_retry=again
        )

    async def password(
        self,
        form: messages.ReceivedForm,
        username: str,
        check: Callable[[messages.PasswordAttempt], T],
        attempt: messages.PasswordAttempt,
    ) -> T:
        """`check(attempt)` in the pool, within the limits of the user and the address.

        A right password counts as one also if the request is refused after it, such as its scope.
        """
        result = await self._passwords.run(
            user_key(username),
            form.network,
            partial(_outcome, partial(check, attempt)),
            is_right=lambda _: attempt.is_right,
            is_wrong=_is_wrong,
        )
        return _result(result)

    async def _look_up(self, form: messages.ReceivedForm, check: _Check) -> AuthenticatedClient:
        """What is not known here is fetched once, without holding a thread meanwhile."""
        outcome = await self._run_limited(form, partial(check, False))
        if isinstance(outcome, FetchNeeded):
            await outcome.fetch_keys()
            outcome = await self._run_limited(form, partial(check, True))
        assert isinstance(outcome, AuthenticatedClient)
        return outcome

    async def _run_limited(
        self, form: messages.ReceivedForm, check: Callable[[], Awaitable[T | messages.OAuthError]]
    ) -> T:
        """`check()`; wrong credentials count for the address."""
        limit = self.limits.failures
        checked = limit.run(form.network, check, counts=_is_wrong) if limit else check()
        return _result(await checked)

    async def _check(
        self, presented: PresentedClient, again: bool, is_last: bool
    ) -> AuthenticatedClient | FetchNeeded | messages.OAuthError:
        """The client; the same error for every cause."""
        client_id, now = presented.client_id, self._clock()
        try:
            if (text := presented.assertion) is not None:
                return await self._prove(client_id, text, now, again, is_last)
            from_database = self._authentication.from_database
            return await self._queries.run(
                from_database, client_id, presented.secret, now, is_last=is_last
            )
        except InvalidCredentials as error:
            return messages.invalid_client(error.reason, client_id)

    async def _prove(
        self, client_id: str, text: str, now: datetime, again: bool, is_last: bool
    ) -> AuthenticatedClient | FetchNeeded:
        found: ProvenClient | FetchNeeded | None = None
        if self._assertions_in_use is not None:
            found = self._assertions_in_use.proven_from_memory(client_id, text, now)
        if found is None:
            found = await self._queries.run(self._proven, client_id, text, now, is_last)
        return await self._used(found, again)

    async def _check_grant(
        self, client_id: str | None, text: str, again: bool, is_last: bool
    ) -> AuthenticatedClient | FetchNeeded | messages.OAuthError:
        """The client that the assertion is for; the same error for every cause."""

        def granted() -> "ProvenClient | FetchNeeded":
            return self._assertions().granted(client_id, text, self._clock(), is_last=is_last)

        try:
            return await self._used(await self._queries.run(granted), again)
        except InvalidCredentials as error:
            return messages.invalid_grant(error.reason, client_id, WRONG_ASSERTION)

    async def _used(
        self, found: "ProvenClient | FetchNeeded", again: bool
    ) -> AuthenticatedClient | FetchNeeded:
        """The client, with an assertion that counts once, from now on no more."""
        if isinstance(found, FetchNeeded):
            return found
        if not again:
            await self._assertions().use(found)
        return AuthenticatedClient(found.record, None, found.evidence.assertion)

    def _proven(
        self, client_id: str, text: str, now: datetime, is_last: bool
    ) -> "ProvenClient | FetchNeeded":
        """In a thread: the first time it imports a lot."""
        self._assertions_in_use = self._assertions()
        return self._assertions_in_use.proven(client_id, text, now, is_last=is_last)


def _outcome(check: Callable[[], T]) -> T | messages.OAuthError:
    """What `check` returns, or refuses: so that the pool can count it."""
    try:
        return check()
    except messages.OAuthError as error:
        return error


def _result(outcome: T | messages.OAuthError) -> T:
    if isinstance(outcome, messages.OAuthError):
        raise outcome
    return outcome


def _is_wrong(result: object) -> bool:
    return isinstance(result, messages.OAuthError) and result.error in _WRONG_CREDENTIALS


def _unreadable() -> messages.OAuthError:
    return messages.invalid_request("The Authorization header cannot be read.")


def unverified_type(assertion: str) -> str | None:
    """The `typ` of its header, in lower case, which is no more than a claim."""
    kind = _unverified(assertion, 0).get("typ")
    return kind.lower().removeprefix("application/") if isinstance(kind, str) else None


def _unverified_subject(assertion: str) -> str:
    """The `sub` of the assertion, which is no more than a claim to be that client."""
    subject = _unverified(assertion, 1).get("sub")
    return subject if isinstance(subject, str) else ""


def _unverified(assertion: str, part: int) -> dict[str, Any]:
    """The members of a part of a JWT; none if it cannot be read."""
    try:
        text = assertion.split(".")[part]
        members = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except (ValueError, IndexError, RecursionError):
        return {}
    return members if isinstance(members, dict) else {}
