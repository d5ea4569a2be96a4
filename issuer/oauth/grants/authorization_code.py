"""The authorization code grant (RFC 6749 §4.1), with PKCE (RFC 7636) and OpenID Connect."""

import hmac
import re
from base64 import urlsafe_b64encode
from dataclasses import dataclass, replace
from hashlib import sha256

from issuer.oauth.grants.grant import EarlierGrant, Granted, in_session
from issuer.oauth.messages import (
    AuthenticatedRequest,
    as_invalid_grant,
    invalid_grant,
    invalid_request,
)
from issuer.refresh_tokens import RefreshTokens, TokenToStore
from issuer.scopes import OPENID
from issuer.sign_in.codes import AuthorizationCodes
from issuer.sign_in.codes_store import AuthorizationCode
from issuer.tokens.issuing import Authentication, RevokedUntil
from issuer.vocabulary import GrantType

_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")  # RFC 7636 §4.1


@dataclass(eq=False, repr=False)
class CodeGrant(EarlierGrant):
    """A client for a user who signed in and allowed it."""

    grant_type = GrantType.AUTHORIZATION_CODE
    wrong = "The authorization code cannot be used."

    _codes: AuthorizationCodes
    _refresh_tokens: RefreshTokens

    def find(self, request: AuthenticatedRequest, text: str) -> AuthorizationCode:
        """The code; `invalid_grant` for every code that the client cannot use."""
        with as_invalid_grant(self.wrong):
            code = self._codes.find(text)
        if code.client_id != request.client.client_id:
            raise self._refusal("code of another client", code.user_id)
        return code

    def authorize(self, request: AuthenticatedRequest, code: AuthorizationCode) -> Granted:
        """The scopes of the request are ignored: the user has allowed some already (§4.1.3).

        A code that is used again revokes what it gave, but only by a request that is valid
        otherwise (draft-ietf-oauth-v2-1 §7.5.3): a code that leaked ends nobody's tokens.
        """
        self._require_verifier(request, code)
        if code.dpop_jkt is not None and code.dpop_jkt != request.jkt:  # RFC 9449 §10
            raise self._refusal("bound to another key", code.user_id)
        if code.used_at is not None:
            self._codes.revoke(code, request.actor)
            raise self._refusal("code used before", code.user_id)
        ceiling = in_session(self._ceiling(request, self._user(code.user_id), code), request)
        refreshes = GrantType.REFRESH_TOKEN in request.client.grant_types
        sid = self._refresh_tokens.new_family_id() if refreshes else code.session_id
        granted = self.grant(request, replace(ceiling, sid=sid), None)

        def redeem(issue: TokenToStore) -> str | RevokedUntil | None:
            """Consumes the code, and stores the first token of a family if there is one."""
            with as_invalid_grant(self.wrong):
                return self._codes.redeem(code, granted.authorization, issue)

        return replace(granted, store=redeem, authentication=_authentication(code))

    def _require_verifier(self, request: AuthenticatedRequest, code: AuthorizationCode) -> None:
        """Check PKCE here: Authlib's `CodeChallenge` allows codes without a challenge.

        RFC 9700 §4.8.2: neither a challenge without its verifier nor the reverse.
        """
        verifier = request.parameters.get("code_verifier")
        if not code.code_challenge:
            if verifier is not None or request.client.needs_pkce:
                raise self._refusal("code without a code_challenge", code.user_id)
            return
        if verifier is None:
            sentence = "Missing 'code_verifier' in request."
            raise invalid_grant("no code_verifier", code.user_id, sentence)
        if not _VERIFIER.fullmatch(verifier):
            raise invalid_request("code_verifier has 43 to 128 unreserved characters.")
        challenge = urlsafe_b64encode(sha256(verifier.encode()).digest()).decode().rstrip("=")
        if not hmac.compare_digest(challenge, code.code_challenge):
            raise self._refusal("wrong code_verifier", code.user_id)


def _authentication(code: AuthorizationCode) -> Authentication | None:
    """How the user was authenticated, where the client asked for an ID token."""
    if OPENID not in code.openid_scopes:
        return None
    return Authentication(code.authenticated_at, code.methods, code.session_id, code.nonce)
