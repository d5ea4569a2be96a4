"""The JWT bearer grant (RFC 7523 §2.1): for workloads by a token of an issuer that they trust, and
for people by ID-JAGs (Enterprise-Managed Authorization).

draft-ietf-oauth-identity-assertion-authz-grant-03 §4.4, cited as the draft.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from issuer.background.workers import WorkerPool
from issuer.composition import Administration
from issuer.directory import AudienceRecord, Directory, UserRecord
from issuer.directory.records import NoAudience, TrustedIssuerRecord
from issuer.errors import InvalidCredentials
from issuer.oauth.client_authentication import (
    WRONG_ASSERTION,
    has_credentials,
    unverified_type,
)
from issuer.oauth.grants.grant import (
    Grant,
    Granted,
    in_session,
    named_audiences,
    requested_audience,
)
from issuer.oauth.messages import (
    AuthenticatedRequest,
    OAuthError,
    ParsedRequest,
    Vouched,
    as_invalid_grant,
    quote,
    requested_scopes,
    require,
)
from issuer.sign_in.provider_claims import provider_claims
from issuer.tokens.authorization import Authorization
from issuer.vocabulary import ID_JAG_TYPE, ErrorCode, GrantType

if TYPE_CHECKING:  # few deployments have ID-JAGs
    from issuer.clients.id_jags import ReceivedIdJag, ReceivedIdJags


@dataclass(eq=False, repr=False)
class JwtBearer(Grant):
    """A client for itself, or for a person for whom a trusted issuer vouches, without a browser."""

    grant_type = GrantType.JWT_BEARER
    queries = True

    _id_jags: Callable[[], "ReceivedIdJags"]
    _directory: Directory
    _administration: Administration
    _only_way_of: Callable[[UserRecord], TrustedIssuerRecord | None]
    is_second_factor_required: bool = field(kw_only=True)

    def authenticates(self, request: ParsedRequest) -> bool:
        """A token of a workload, which has no credentials here. An ID-JAG is about a person."""
        assertion = request.parameters.get("assertion")
        if assertion is None or has_credentials(request):
            return False
        return unverified_type(assertion) != ID_JAG_TYPE

    async def look_up(
        self, request: AuthenticatedRequest, queries: WorkerPool
    ) -> AuthenticatedRequest | None:
        """With the person, as if they had signed in; None for a client that may not."""
        if self.grant_type not in request.client.grant_types:
            return None
        if request.is_granted:
            return request
        text = require(request, "assertion")
        with as_invalid_grant(WRONG_ASSERTION):
            id_jags, issuers = await queries.run(self._load)
            found = await id_jags.read(request.client.client_id, text, issuers)
            audience = _audience(request, found)
            if not request.is_retry:
                await id_jags.use(found)
            vouched = await queries.run(self._arrive, request, found, audience)
        return replace(request, vouched=vouched)

    def authorize(self, request: AuthenticatedRequest) -> Granted:
        """What the person, the client and the ID-JAG all hold. No refresh token (the draft §4.4.3).

        The client asks the trusted issuer again, which may say no by then.
        """
        if request.is_granted:
            held = Authorization.of_client(request.client, requested_audience(request))
            return self.grant(request, in_session(held, request), requested_scopes(request))
        assert request.vouched is not None
        vouched = request.vouched
        ceiling = Authorization.of_user(vouched.user, request.client, vouched.audience)
        if vouched.scopes is not None:
            ceiling = ceiling.within(vouched.scopes)
        granted = self.grant(request, in_session(ceiling, request), requested_scopes(request))
        return replace(granted, details=vouched.details)

    def _load(self) -> "tuple[ReceivedIdJags, tuple[TrustedIssuerRecord, ...]]":
        """In a thread: the first time it imports a lot."""
        return self._id_jags(), self._directory.issuers_of_people()

    def _arrive(
        self, request: AuthenticatedRequest, received: "ReceivedIdJag", audience: AudienceRecord
    ) -> Vouched:
        """In a transaction that may provision the user, and reads their groups again."""
        assert received.issuer.sign_in is not None
        claims = provider_claims(received.claims, received.issuer.sign_in, is_complete=False)
        if self.is_second_factor_required and not claims.is_multi_factor:
            raise InvalidCredentials("assertion: it names no second factor, which is required")
        with self._administration.changing(request.actor, held=()) as work:
            arrival = work.identities.arrive(received.issuer, claims)
            if work.revocations.has_ended(arrival.user.id, received.issued_at):
                reason = "assertion: all access of the user was ended since it was issued"
                raise InvalidCredentials(reason, arrival.user.id)
        only = self._only_way_of(arrival.user)
        if only is not None and only.id != received.issuer.id:
            raise InvalidCredentials(f"people sign in at {only.id} alone", arrival.user.id)
        details = {"id_jag": received.assertion.details, "identity": arrival.identity_id}
        return Vouched(arrival.user, audience, received.scopes, details)


def _audience(request: AuthenticatedRequest, received: "ReceivedIdJag") -> AudienceRecord:
    """The audience of the resources of the ID-JAG, and no other (the draft §4.4.1).

    Never this issuer itself: what has rights here needs a person at a browser.
    """
    if not (resources := received.resources):
        raise _invalid_target("The assertion names no resource.", resources)
    found = request.client.audience_for(resources)
    if isinstance(found, NoAudience):
        raise _invalid_target(found.reason, resources)
    if found.is_own:
        raise _invalid_target("No assertion is for the issuer itself.", resources)
    if not all(found.is_named(name) for name in named_audiences(request)):
        raise _invalid_target("The assertion is for another audience.", resources)
    return found


def _invalid_target(description: str, resources: Sequence[str]) -> OAuthError:
    reason = f"{description} resource {quote(' '.join(resources))}" if resources else description
    return OAuthError(ErrorCode.INVALID_TARGET, description, reason=reason)
