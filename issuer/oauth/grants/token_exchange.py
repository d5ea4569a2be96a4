"""The token exchange grant (RFC 8693), for access tokens and for ID-JAGs.

An ID-JAG is a grant for an authorization server in another domain
(draft-ietf-oauth-identity-assertion-authz-grant).
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from issuer.background.workers import WorkerPool
from issuer.directory import ExternalAudience, MayAct
from issuer.errors import InvalidCredentials
from issuer.oauth import messages
from issuer.oauth.grants.grant import Grant, Granted, in_session, requested_audience
from issuer.refresh_tokens import TokenToStore
from issuer.scopes import OPENID_SCOPES
from issuer.token_exchange import IdJag, IdJags, NotAllowedByUser, TokenExchanges
from issuer.tokens.authorization import Authorization
from issuer.tokens.issuing import RevokedUntil
from issuer.tokens.reading import TokenReader, VerifiedToken
from issuer.vocabulary import MAX_ACTORS, ErrorCode, GrantType, TokenType

# Which types of subject tokens may be exchanged for each type.
_SUBJECTS = {
    TokenType.ACCESS_TOKEN: (TokenType.ACCESS_TOKEN,),
    TokenType.ID_JAG: (TokenType.ID_TOKEN, TokenType.ACCESS_TOKEN),
}
_BEYOND = "Not held at this audience by the subject token, its user and the client alike"
# A token without regard to them would say, or allow, more than was asked for.
_REFUSED = {
    "actor_token": "the actor is the client itself",
    "actor_token_type": "the actor is the client itself",
    "authorization_details": "name scopes",
}


@dataclass(frozen=True, slots=True)
class _ExchangeRequest:
    """The types that a request names, and its subject token."""

    token: str
    presented: TokenType
    requested: TokenType


@dataclass(eq=False, repr=False)
class TokenExchange(Grant):
    """A client that acts for a user, with a token of the user that it presents."""

    grant_type = GrantType.TOKEN_EXCHANGE
    queries = True

    _tokens: TokenReader
    _exchanges: TokenExchanges
    _id_jags: IdJags

    async def look_up(
        self, request: messages.AuthenticatedRequest, _: WorkerPool
    ) -> messages.AuthenticatedRequest | None:
        """None for a client that may not, and for an ID-JAG."""
        if self.grant_type not in request.client.grant_types:
            return None
        asked = _parse(request)
        if asked.requested is TokenType.ID_JAG:
            return None
        with _refusing():
            subject = await self._exchanges.look_up(self._tokens.read(asked.token))
        return replace(request, subject=subject)

    def authorize(self, request: messages.AuthenticatedRequest) -> Granted:
        """What the subject token, the user and the client all hold at the new audience."""
        asked = _parse(request)
        if asked.requested is TokenType.ID_JAG:
            return self._id_jag(request, asked)
        assert request.subject is not None
        subject, audience = request.subject, requested_audience(request)
        if MayAct(subject.token.audience, audience.id) not in request.client.may_act:
            raise messages.OAuthError(
                ErrorCode.INVALID_TARGET,
                "The client may not exchange the subject token for one for this audience.",
                reason=f"no may_act from {subject.token.audience} to {audience.id}",
                target=subject.user.id,
            )
        actors = _actors(request, subject.token)
        held = Authorization.of_user(subject.user, request.client, audience).within(subject.held)
        ceiling = replace(
            held, sid=subject.token.sid, act=_act_claim(actors), expires_by=subject.token.expires_at
        )
        in_named = in_session(ceiling, request)
        granted = self.grant(request, in_named, _requested_rights(request), beyond=_BEYOND)

        async def store(issue: TokenToStore) -> RevokedUntil | None:
            with _refusing():
                return await self._exchanges.exchange(subject, granted.authorization, issue)

        return replace(
            granted,
            store_together=store,
            issued_token_type=TokenType.ACCESS_TOKEN,
            details={"actors": actors, "subject_token": subject.token.jti},
        )

    def _id_jag(self, request: messages.AuthenticatedRequest, asked: _ExchangeRequest) -> Granted:
        """For a resource that an administrator listed, whichever token names the user."""
        client, external = request.client, _external(request)
        if request.jkt is not None:  # rather than an ID-JAG that is not bound
            raise messages.invalid_request("An ID-JAG is not bound to a key: send no DPoP proof.")
        details: dict[str, object] = {
            "issued_token_type": TokenType.ID_JAG.value,
            "resource": external.resource,
            "actors": [client.client_id],
        }
        with _refusing():
            if asked.presented is TokenType.ID_TOKEN:
                asserted = self._id_jags.of_id_token(asked.token, client)
                details["session"] = asserted.token.sid
            else:
                token = self._tokens.read(asked.token)
                asserted = self._id_jags.of_access_token(token, client)
                details |= {"actors": _actors(request, token), "subject_token": token.jti}
        ceiling = self._id_jags.authorization(asserted, client, external)
        granted = self.grant(request, ceiling, messages.requested_scopes(request))

        def store(issue: TokenToStore) -> RevokedUntil | None:
            assert isinstance(granted.authorization, IdJag)
            with _refusing():
                return self._id_jags.store(asserted, granted.authorization, issue)

        return replace(granted, store=store, issued_token_type=TokenType.ID_JAG, details=details)


def _parse(request: messages.AuthenticatedRequest) -> _ExchangeRequest:
    """`invalid_request` for types of tokens that are unknown, or that do not fit together."""
    for name, why in _REFUSED.items():
        if name in request.parameters:
            raise messages.invalid_request(f"{name} is not supported: {why}.")
    token, presented = (
        messages.require(request, "subject_token"),
        messages.require(request, "subject_token_type"),
    )
    requested = request.parameters.get("requested_token_type", TokenType.ACCESS_TOKEN)
    if requested not in _SUBJECTS:
        raise messages.invalid_request(f"requested_token_type must be {' or '.join(_SUBJECTS)}.")
    allowed = _SUBJECTS[TokenType(requested)]
    if presented not in allowed:
        raise messages.invalid_request(f"subject_token_type must be {' or '.join(allowed)}.")
    return _ExchangeRequest(token, TokenType(presented), TokenType(requested))


def _external(request: messages.AuthenticatedRequest) -> ExternalAudience:
    """The resource of another authorization server, `audience`, for which the client may ask."""
    issuer, resource = messages.require(request, "audience"), request.parameters.get("resource")
    of_issuer = [each for each in request.client.external_audiences if each.issuer == issuer]
    found = [each for each in of_issuer if resource is None or each.is_named(resource)]
    if len(found) > 1:
        raise messages.OAuthError(ErrorCode.INVALID_TARGET, "Name the resource of the ID-JAG.")
    if not found:
        where = " and ".join(map(messages.quote, (issuer, resource or "")))
        raise messages.OAuthError(
            ErrorCode.INVALID_TARGET,
            "The client may not have ID-JAGs for this audience and resource.",
            reason=f"no external_audiences for {where}",
        )
    return found[0]


def _actors(request: messages.AuthenticatedRequest, token: VerifiedToken) -> list[str]:
    """Who will act for the user, the client first and once; `invalid_request` for one too many."""
    client_id = request.client.client_id
    actors = [*token.actors]
    if actors[:1] != [client_id]:
        actors.insert(0, client_id)
    if len(actors) > MAX_ACTORS:
        raise _unusable(f"{len(actors)} actors, more than {MAX_ACTORS}", token.subject)
    return actors


def _act_claim(actors: Sequence[str]) -> Mapping[str, object]:
    """RFC 8693 §4.1: each actor contains the one before it."""
    act: dict[str, object] = {}
    for actor in reversed(actors):
        act = {"sub": actor, "act": act} if act else {"sub": actor}
    return act


def _requested_rights(request: messages.AuthenticatedRequest) -> list[str] | None:
    """The `requested_scopes`; `invalid_scope` if all are of OpenID (RFC 8693 §2.2.2).

    These are not passed on, and without them the request would name none and get everything.
    """
    scopes = messages.requested_scopes(request)
    if scopes and {*scopes} <= {*OPENID_SCOPES}:
        raise messages.invalid_scope("Not passed on by an exchange", scopes[0])
    return scopes


@contextmanager
def _refusing() -> Iterator[None]:
    """`invalid_request` in place of `InvalidCredentials`, the same for every cause (§2.2.2)."""
    try:
        yield
    except NotAllowedByUser as error:
        raise messages.OAuthError(
            ErrorCode.INVALID_TARGET,
            "The user has not allowed the client to act there.",
            reason=error.reason,
            target=error.subject,
        ) from None
    except InvalidCredentials as error:
        # Without the part that may quote the token.
        raise _unusable(error.reason.partition(": ")[0], error.subject) from None


def _unusable(reason: str, user_id: str | None) -> messages.OAuthError:
    return messages.OAuthError(
        ErrorCode.INVALID_REQUEST,
        "The subject token cannot be used.",
        reason=reason,
        target=user_id,
        hides_cause=True,
    )
