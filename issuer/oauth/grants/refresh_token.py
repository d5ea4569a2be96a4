"""The refresh token grant (RFC 6749 §6), with rotation at every use (RFC 9700 §4.14.2)."""

from dataclasses import dataclass, field, replace
from functools import partial

from issuer.background.workers import WorkerPool
from issuer.oauth.grants.grant import EarlierGrant, Granted, in_session
from issuer.oauth.messages import AuthenticatedRequest, as_invalid_grant, requested_scopes
from issuer.refresh_tokens import RefreshTokens
from issuer.refresh_tokens.family import ValidatedToken, request_digest
from issuer.vocabulary import GrantType


@dataclass(eq=False, repr=False)
class RefreshToken(EarlierGrant):
    """A client for a user who signed in before."""

    grant_type = GrantType.REFRESH_TOKEN
    wrong = "The refresh token cannot be used."

    _refresh_tokens: RefreshTokens
    is_password_enough: bool = field(kw_only=True)

    async def look_up(
        self, request: AuthenticatedRequest, _: WorkerPool
    ) -> AuthenticatedRequest | None:
        """None for a token that is not valid, of another client, or only for user info."""
        text = request.parameters.get("refresh_token")
        if text is None or self.grant_type not in request.client.grant_types:
            return None
        found = await self._refresh_tokens.look_up(text)
        if found is None or found.family.client_id != request.client.client_id:
            return None
        if not found.family.is_usable_by(request.jkt):
            return None
        if found.family.is_of_password_grant and not self._directory.remembers_issuers_of_people:
            return None
        return None if self._is_of_issuer(found.family) else replace(request, found=found)

    def find(self, request: AuthenticatedRequest, text: str) -> ValidatedToken:
        """The token; `invalid_grant` for every refresh token that is not valid."""
        asked = request_digest(requested_scopes(request), request.parameters.get("session_id"))
        if request.found is not None:
            token = ValidatedToken(request.found.family, asked, text)
        else:
            client_id, actor = request.client.client_id, request.actor
            with as_invalid_grant(self.wrong):
                token = self._refresh_tokens.present(text, client_id, asked, actor, request.jkt)
        if request.client.is_public:  # the next token is bound also if this one is not
            token = replace(token, jkt=request.jkt)
        if not token.family.is_offered(is_password_enough=self.is_password_enough):
            raise self._refusal("the password grant is off", token.family.user_id)
        elsewhere = self._directory.issuers_of_people
        if token.family.is_of_password_grant and any(each.is_only_way for each in elsewhere()):
            reason = "people sign in at a trusted issuer alone"
            raise self._refusal(reason, token.family.user_id)
        return token

    def authorize(self, request: AuthenticatedRequest, token: ValidatedToken) -> Granted:
        """With the next token of the family. Of concurrent requests one succeeds."""
        family = token.family
        user = self._user(family.user_id, request.found.user if request.found else None)
        if family.is_of_password_grant and user.has_second_factor:
            reason = "the user has a second factor since the password grant"
            raise self._refusal(reason, family.user_id)
        ceiling = self._ceiling(request, user, family)
        ceiling = replace(in_session(ceiling, request, family.session_id), sid=family.id)
        granted = self.grant(request, ceiling, requested_scopes(request))
        return replace(granted, store_together=partial(self._refresh_tokens.use_up, token))
