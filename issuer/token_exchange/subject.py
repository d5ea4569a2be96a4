"""A token that a client presents, and one that it gets in exchange."""

from dataclasses import dataclass

from issuer.directory import ActingClient, ClientRecord, UserRecord
from issuer.errors import InvalidCredentials
from issuer.refresh_tokens import TokenToStore
from issuer.revocations import TokenIdentity
from issuer.sign_in.consents_store import ActingFor
from issuer.tokens.authorization import Authorization
from issuer.tokens.reading import VerifiedToken, current_scopes


@dataclass(frozen=True, slots=True)
class Origin:
    """The client and the audience of the token with which a chain of exchanges began."""

    client: ClientRecord
    audience_id: str


@dataclass(frozen=True, slots=True)
class UserToken:
    """A verified access token of a `user`. `held` is what is still held of its scopes."""

    token: VerifiedToken
    user: UserRecord
    held: frozenset[str]
    origin: Origin

    def acting_for(self, actor: ActingClient, scopes: frozenset[str] = frozenset()) -> ActingFor:
        """What the user must have allowed, for `actor` to act with the token in these `scopes`."""
        audience_id = self.origin.audience_id
        is_for_issuer = audience_id == self.token.claims["iss"]
        where = None if is_for_issuer else audience_id
        return ActingFor(self.user.id, self.origin.client, where, actor, scopes)


@dataclass(frozen=True, slots=True)
class Exchange:
    """A token `issued` in exchange for that of the subject: what a revocation can apply to."""

    subject: UserToken
    issued: TokenIdentity
    issue: TokenToStore

    @property
    def acting(self) -> ActingFor:
        actor = ActingClient(self.issued.client_id, self.issued.audience)
        scopes = frozenset(self.issue.access_token.scope.split())
        return self.subject.acting_for(actor, scopes)


def subject_of(
    token: VerifiedToken,
    client: ClientRecord | None,
    user: UserRecord | None,
    origin: Origin | None,
) -> UserToken:
    """The token, its user and its origin; `InvalidCredentials` if it cannot be used any more."""
    if not token.is_of_user:
        raise InvalidCredentials("a token of a client, not of a user", token.subject)
    held = current_scopes(client, user, token)
    assert user is not None
    if origin is None:
        raise InvalidCredentials("the token with which the exchanges began is unknown", user.id)
    return UserToken(token, user, held, origin)


def identity_of(authorization: Authorization, issue: TokenToStore) -> TokenIdentity:
    """What a revocation can apply to, of a token that is issued."""
    token = issue.access_token
    return TokenIdentity(
        jti=token.jti,
        sid=authorization.sid,
        subject=authorization.subject,
        client_id=authorization.client.client_id,
        audience=authorization.audience.id,
        issued_at=token.issued_at,
    )
