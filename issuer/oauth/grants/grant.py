"""What all grants share: a grant decides what a token may contain; it does not issue one."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar, TypeAlias

from issuer.background.workers import WorkerPool
from issuer.clients.authentication import VerifiedAssertion
from issuer.directory import AudienceRecord, ClientRecord, Directory, SecretRecord, UserRecord
from issuer.directory.records import NoAudience
from issuer.oauth.messages import (
    AuthenticatedRequest,
    OAuthError,
    ParsedRequest,
    invalid_grant,
    invalid_request,
    invalid_scope,
)
from issuer.refresh_tokens import TokenToStore
from issuer.refresh_tokens.family import GrantedBefore
from issuer.scopes import InvalidScope, ScopeNotCovered
from issuer.tokens.authorization import Authorization
from issuer.tokens.issuing import Authentication, RevokedUntil
from issuer.vocabulary import ErrorCode, GrantType, TokenType

MAX_SESSION_ID = 255

# Stores what an access token depends on, with its audit event, in one transaction. Returns the
# refresh token, if there is one, or the instant at which to try again.
Store: TypeAlias = Callable[[TokenToStore], str | RevokedUntil | None]
StoreTogether: TypeAlias = Callable[[TokenToStore], Awaitable[str | RevokedUntil | None]]


@dataclass(frozen=True, slots=True)
class Granted:
    """What a token request is granted, and to which client.

    `store` where something else is stored with the token; `store_together` where that shares a
    transaction with other requests. `authentication` where the response has an ID token,
    `assertion` where the client used one. `issued_token_type` is of the response to a token
    exchange, `details` are further ones of the audit event.
    """

    client: ClientRecord
    secret: SecretRecord | None
    grant_type: str
    authorization: Authorization
    store: Store | None = None
    store_together: StoreTogether | None = None
    authentication: Authentication | None = None
    assertion: VerifiedAssertion | None = None
    issued_token_type: TokenType | None = None
    details: Mapping[str, object] = field(default_factory=dict)


class Grant:
    """One that neither `hashes_passwords` nor `queries` is decided on the event loop.

    `authorize` takes the authenticated request, and what Authlib has read from it for this grant.
    """

    grant_type: GrantType
    hashes_passwords = False
    queries = False

    def authenticates(self, request: ParsedRequest) -> bool:
        """Whether what a grant that `queries` presents says by itself which client this is."""
        return False

    async def look_up(
        self, request: AuthenticatedRequest, queries: WorkerPool
    ) -> AuthenticatedRequest | None:
        """The request with what the grant needs of the database, read together with others.

        Or by `queries`. None if it must query itself. On the event loop, only of a grant that
        `queries`.
        """
        return None

    def grant(
        self,
        request: AuthenticatedRequest,
        ceiling: Authorization,
        asked: Iterable[str] | None,
        *,
        beyond: str = "Not permitted at this audience",
    ) -> Granted:
        """The `ceiling`, narrowed to the scopes `asked`: the same for every grant.

        It is bound to the key whose proof came with the request. `beyond` is said of a scope that
        the ceiling does not cover.
        """
        try:
            authorization = ceiling.narrowed_to(asked)
        except InvalidScope as error:
            raise invalid_scope("Malformed scope", error.scope) from None
        except ScopeNotCovered as error:
            raise invalid_scope(beyond, error.scope) from None
        if request.proof is not None:
            authorization = replace(authorization, jkt=request.proof.jkt)
        elif authorization.needs_key:
            raise OAuthError(
                ErrorCode.INVALID_DPOP_PROOF,
                "Access tokens of this client, or for this audience, are bound to a key: send a"
                " proof in the header DPoP (RFC 9449).",
            )
        return Granted(
            request.client,
            request.secret,
            self.grant_type.value,
            authorization,
            assertion=request.assertion,
        )


def requested_audience(request: AuthenticatedRequest) -> AudienceRecord:
    """The audience that the request asks for (RFC 8707 §2)."""
    audience = request.client.audience_for(named_audiences(request))
    if isinstance(audience, NoAudience):
        raise OAuthError(ErrorCode.INVALID_TARGET, audience.reason)
    return audience


def in_session(
    ceiling: Authorization, request: AuthenticatedRequest, earlier: str | None = None
) -> Authorization:
    """The `ceiling`, in the session that the request or its sign-in names, if the client may."""
    if not request.client.may_set_session:
        return ceiling
    if (session_id := request.parameters.get("session_id", earlier)) is None:
        return ceiling
    if len(session_id) > MAX_SESSION_ID or not session_id.isprintable():
        raise invalid_request(f"session_id must be at most {MAX_SESSION_ID} printable characters.")
    return replace(ceiling, session_id=session_id)


def named_audiences(request: AuthenticatedRequest) -> list[str]:
    """The audience and the resource that the request names (RFC 8707 §2)."""
    parameters = request.parameters
    return [parameters[name] for name in ("audience", "resource") if name in parameters]


@dataclass(eq=False, repr=False)
class EarlierGrant(Grant):
    """A client for a user who granted it something before. Runs in the pool for queries."""

    queries = True
    wrong: ClassVar[str]  # described the same for every cause

    _directory: Directory
    _issuer: str

    def _user(self, user_id: str, read: UserRecord | None = None) -> UserRecord:
        """The user as the database has it now, or as `read` a moment ago."""
        user = read or self._directory.load_user(user_id)
        if user is None or user.disabled:
            raise self._refusal("the user is deleted or disabled", user_id)
        return user

    def _ceiling(
        self, request: AuthenticatedRequest, user: UserRecord, before: GrantedBefore
    ) -> Authorization:
        held = Authorization.of_user(user, request.client, self._audience(request, before))
        return replace(held.within(before.scopes), openid_scopes=before.openid_scopes)

    def _audience(self, request: AuthenticatedRequest, before: GrantedBefore) -> AudienceRecord:
        """The audience that the user granted, and no other (RFC 8707 §2.2).

        Without scopes it may be the issuer itself: the token is only for user info.
        """
        named = named_audiences(request)
        if self._is_of_issuer(before):
            if not set(named) <= {before.audience_id}:
                raise _other_audience()
            return self._directory.load_audience(before.audience_id)
        granted = request.client.audience_for([before.audience_id])
        if isinstance(granted, NoAudience):
            raise OAuthError(ErrorCode.INVALID_TARGET, granted.reason)
        if not all(granted.is_named(name) for name in named):
            raise _other_audience()
        return granted

    def _is_of_issuer(self, before: GrantedBefore) -> bool:
        """Whether its tokens are only for user info."""
        return before.audience_id == self._issuer and not before.scopes

    def _refusal(self, reason: str, user_id: str | None) -> OAuthError:
        return invalid_grant(reason, user_id, self.wrong)


def _other_audience() -> OAuthError:
    return OAuthError(ErrorCode.INVALID_TARGET, "The grant is for another audience.")
