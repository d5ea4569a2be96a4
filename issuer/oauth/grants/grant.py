"""What all grants share: a grant decides what a token may contain; it does not issue one."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeAlias

from authlib.oauth2.rfc6749 import OAuth2Request
from authlib.oauth2.rfc6749.grants import BaseGrant, TokenEndpointMixin

from issuer.clients.authentication import VerifiedAssertion
from issuer.directory import AudienceRecord, ClientRecord, SecretRecord
from issuer.oauth.errors import OAuthError, invalid_scope
from issuer.oauth.request import AuthenticatedRequest, requested_scopes
from issuer.refresh_tokens import TokenToStore
from issuer.scopes import InvalidScope, ScopeNotCovered
from issuer.tokens import Authentication, Authorization, RevokedUntil
from issuer.vocabulary import ErrorCode, GrantType

MAX_SESSION_ID = 255

# Stores what an access token depends on, with its audit event, in one transaction. Returns the
# refresh token, if there is one, or the instant at which to try again.
Store: TypeAlias = Callable[[TokenToStore], str | RevokedUntil | None]


@dataclass(frozen=True, slots=True)
class Granted:
    """What a token request is granted, and to which client.

    `authentication` where the response has an ID token, `assertion` where the client used one.
    """

    client: ClientRecord
    secret: SecretRecord | None
    grant_type: str
    authorization: Authorization
    store: Store | None = None
    authentication: Authentication | None = None
    assertion: VerifiedAssertion | None = None


class Grant(BaseGrant, TokenEndpointMixin):  # type: ignore[misc]
    """Mixed in before Authlib's grant of the same `GRANT_TYPE`, which runs the steps of the RFC.

    A grant that neither `hashes_passwords` nor `queries` is decided on the event loop.
    """

    GRANT_TYPE: GrantType
    hashes_passwords = False
    queries = False
    request: OAuth2Request

    def authorize(self, client: ClientRecord, audience: AudienceRecord) -> Authorization:
        """The upper bound of this request at the audience; `OAuthError` if it has no rights."""
        raise NotImplementedError

    def store_for(self, authorization: Authorization) -> Store | None:
        """How to store what the authorization needs; None if it needs nothing."""
        return None

    def authentication(self) -> Authentication | None:
        """How the user was authenticated, where the client asked for an ID token."""
        return None

    @property
    def authenticated(self) -> AuthenticatedRequest:
        request: AuthenticatedRequest = self.request.authenticated
        return request

    def generate_token(self, *_: object, **__: object) -> Granted:
        """Authlib's hook for the token: the authorization, narrowed the same for every grant."""
        request = self.authenticated
        ceiling = self.authorize(request.client, self._audience(request.client))
        if (session_id := self._session_id(request.client)) is not None:
            ceiling = replace(ceiling, session_id=session_id)
        if (sid := self._sid(request.client)) is not None:
            ceiling = replace(ceiling, sid=sid)
        try:
            authorization = ceiling.narrowed_to(self._requested_scopes())
        except InvalidScope as error:
            raise invalid_scope("Malformed scope", error.scope) from None
        except ScopeNotCovered as error:
            raise invalid_scope("Not permitted at this audience", error.scope) from None
        return Granted(
            request.client,
            request.secret,
            self.GRANT_TYPE.value,
            authorization,
            self.store_for(authorization),
            self.authentication(),
            request.assertion,
        )

    def _requested_scopes(self) -> list[str] | None:
        return requested_scopes(self.authenticated)

    def _sid(self, client: ClientRecord) -> str | None:
        """The refresh family or the session that the token belongs to, if any."""
        return None

    def _audience(self, client: ClientRecord) -> AudienceRecord:
        """RFC 8707 §2, with one audience per token."""
        named = [self._permitted(client, name) for name in self._requested_audiences()]
        if len({audience.id for audience in named}) > 1:
            raise OAuthError(ErrorCode.INVALID_TARGET, "A token is for one audience.")
        if not named and len(client.audiences) != 1:
            raise OAuthError(ErrorCode.INVALID_TARGET, "Name the audience of the token.")
        return named[0] if named else next(iter(client.audiences.values()))

    def _requested_audiences(self) -> set[str]:
        """The names in the parameters `audience` and `resource`."""
        parameters = self.authenticated.parameters
        return {parameters[name] for name in ("audience", "resource") if name in parameters}

    def _permitted(self, client: ClientRecord, audience_id: str) -> AudienceRecord:
        audience = client.audience_named(audience_id)
        if audience is None:
            raise OAuthError(
                ErrorCode.INVALID_TARGET, "The client may not have tokens for this audience."
            )
        return audience

    def _granted_audience(
        self, client: ClientRecord, audience_id: str, scopes: frozenset[str]
    ) -> AudienceRecord:
        """The audience that the user granted, and no other (RFC 8707 §2.2).

        Without scopes it may be the issuer itself: the token is only for user info.
        """
        named = self._requested_audiences()
        if audience_id == self.server.issuer and not scopes:
            if not named <= {audience_id}:
                raise _other_audience()
            audience: AudienceRecord = self.server.tokens.directory.load_audience(audience_id)
            return audience
        granted = self._permitted(client, audience_id)
        if not all(granted.is_named(name) for name in named):
            raise _other_audience()
        return granted

    def _session_id(self, client: ClientRecord) -> str | None:
        """The requested session id, if the client may set one."""
        session_id = self.authenticated.parameters.get("session_id")
        if session_id is None or not client.may_set_session:
            return None
        if len(session_id) > MAX_SESSION_ID or not session_id.isprintable():
            raise OAuthError(
                ErrorCode.INVALID_REQUEST,
                f"session_id must be at most {MAX_SESSION_ID} printable characters.",
            )
        return session_id


def _other_audience() -> OAuthError:
    return OAuthError(ErrorCode.INVALID_TARGET, "The grant is for another audience.")
