"""The token exchange grant (RFC 8693)."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from issuer.directory import MayAct
from issuer.errors import InvalidCredentials
from issuer.oauth.grants.grant import Grant, Granted, in_session, requested_audience
from issuer.oauth.messages import (
    AuthenticatedRequest,
    OAuthError,
    invalid_request,
    requested_scopes,
    required,
)
from issuer.refresh_tokens import TokenToStore
from issuer.token_exchange import NotAllowedByUser, TokenExchanges
from issuer.tokens import Authorization, RevokedUntil, TokenReader, VerifiedToken
from issuer.vocabulary import MAX_ACTORS, ErrorCode, GrantType, TokenType


@dataclass(eq=False, repr=False)
class TokenExchange(Grant):
    """A client that acts for a user, with a token of the user that it presents."""

    grant_type = GrantType.TOKEN_EXCHANGE
    queries = True

    _tokens: TokenReader
    _exchanges: TokenExchanges

    async def looked_up(self, request: AuthenticatedRequest) -> AuthenticatedRequest | None:
        """None for a client that may not."""
        if self.grant_type not in request.client.grant_types:
            return None
        token = _subject_token(request)
        with _refusing():
            subject = await self._exchanges.look_up(self._tokens.read(token))
        return replace(request, subject=subject)

    def authorize(self, request: AuthenticatedRequest) -> Granted:
        """What the subject token, the user and the client all hold at the new audience."""
        assert request.subject is not None
        subject, audience = request.subject, requested_audience(request)
        if MayAct(subject.token.audience, audience.id) not in request.client.may_act:
            raise OAuthError(
                ErrorCode.INVALID_TARGET,
                "The client may not exchange the subject token for one for this audience.",
                reason=f"no may_act from {subject.token.audience} to {audience.id}",
                target=subject.user.id,
            )
        actors = _actors(request, subject.token)
        held = Authorization.of_user(subject.user, request.client, audience).within(subject.held)
        ceiling = replace(
            held,
            sid=subject.token.sid,
            act=_nested(actors),
            expires_by=subject.token.expires_at,
        )
        granted = self.granted(request, in_session(ceiling, request), requested_scopes(request))

        async def store(issue: TokenToStore) -> RevokedUntil | None:
            with _refusing():
                return await self._exchanges.exchange(subject, granted.authorization, issue)

        return replace(
            granted,
            store_together=store,
            issued_token_type=TokenType.ACCESS_TOKEN,
            details={"actors": actors, "subject_token": subject.token.jti},
        )


def _subject_token(request: AuthenticatedRequest) -> str:
    """`invalid_request` for types of tokens that are unknown."""
    for name in ("actor_token", "actor_token_type"):
        if name in request.parameters:
            raise invalid_request(f"{name} is not supported: the actor is the client itself.")
    token, presented = required(request, "subject_token"), required(request, "subject_token_type")
    requested = request.parameters.get("requested_token_type", TokenType.ACCESS_TOKEN)
    for name, kind in {"requested": requested, "subject": presented}.items():
        if kind != TokenType.ACCESS_TOKEN:
            raise invalid_request(f"{name}_token_type must be {TokenType.ACCESS_TOKEN}.")
    return token


def _actors(request: AuthenticatedRequest, token: VerifiedToken) -> list[str]:
    """Who will act for the user, the client first; the token is not usable by one too many."""
    actors = [request.client.client_id, *token.actors]
    if len(actors) > MAX_ACTORS:
        raise _unusable(f"{len(actors)} actors, more than {MAX_ACTORS}", token.subject)
    return actors


def _nested(actors: Sequence[str]) -> Mapping[str, object]:
    """RFC 8693 §4.1: each actor contains the one before it."""
    act: dict[str, object] = {}
    for actor in reversed(actors):
        act = {"sub": actor, "act": act} if act else {"sub": actor}
    return act


@contextmanager
def _refusing() -> Iterator[None]:
    """`invalid_request` in place of `InvalidCredentials`, the same for every cause (§2.2.2)."""
    try:
        yield
    except NotAllowedByUser as error:
        raise OAuthError(
            ErrorCode.INVALID_TARGET,
            "The user has not allowed the client to act there.",
            reason=error.reason,
            target=error.subject,
        ) from None
    except InvalidCredentials as error:
        # Without the part that may quote the token.
        raise _unusable(error.reason.partition(": ")[0], error.subject) from None


def _unusable(reason: str, user_id: str | None) -> OAuthError:
    return OAuthError(
        ErrorCode.INVALID_REQUEST,
        "The subject token cannot be used.",
        reason=reason,
        target=user_id,
        hides_cause=True,
    )
