"""The resource owner password credentials grant (RFC 6749 §4.3; see RFC 9700 §2.4)."""

from dataclasses import dataclass, replace

from issuer.directory import ChangeWatcher, UserRecord
from issuer.oauth.grants.grant import Grant, Granted, in_session, requested_audience
from issuer.oauth.messages import (
    AuthenticatedRequest,
    OAuthError,
    PasswordAttempt,
    as_invalid_grant,
    requested_scopes,
    require,
)
from issuer.refresh_tokens import RefreshTokens, TokenToStore
from issuer.tokens.authorization import Authorization
from issuer.tokens.issuing import RevokedUntil
from issuer.users.passwords import SignIn
from issuer.vocabulary import ErrorCode, GrantType


def presented_username(request: AuthenticatedRequest) -> str:
    """The user whose password the client presents; `OAuthError` if it may not, or does not.

    To be asked before the limits of that user, which such requests must neither use up nor reveal.
    """
    if GrantType.PASSWORD not in request.client.grant_types:
        description = "The client is not authorized to use 'grant_type=password'"
        raise OAuthError(ErrorCode.UNAUTHORIZED_CLIENT, description)
    username = require(request, "username")
    require(request, "password")
    return username


@dataclass(eq=False, repr=False)
class Password(Grant):
    """A user through a client. Hashes and queries: runs in the pool for passwords."""

    grant_type = GrantType.PASSWORD
    hashes_passwords = True

    _sign_in: SignIn
    _changes: ChangeWatcher
    _refresh_tokens: RefreshTokens

    def authorize(self, request: AuthenticatedRequest, username: str, password: str) -> Granted:
        """With the first token of a family, for a client with that grant type (§4.3.3)."""
        user = self._user(request, username, password)
        held = Authorization.of_user(user, request.client, requested_audience(request))
        ceiling = in_session(held, request)
        if refreshes := GrantType.REFRESH_TOKEN in request.client.grant_types:
            ceiling = replace(ceiling, sid=self._refresh_tokens.new_family_id())
        granted = self.grant(request, ceiling, requested_scopes(request))
        if not refreshes:
            return granted

        def begin(issue: TokenToStore) -> str | RevokedUntil:
            with as_invalid_grant():
                return self._refresh_tokens.begin(user, granted.authorization, issue)

        return replace(granted, store=begin)

    def _user(self, request: AuthenticatedRequest, username: str, password: str) -> UserRecord:
        """`invalid_grant` for every wrong username or password (RFC 6749 §5.2)."""
        attempt = request.attempt or PasswordAttempt()
        with as_invalid_grant():
            user = self._sign_in.authenticate(
                username,
                password,
                request.actor,
                through_client=True,  # every client with this grant has a secret
                may_wait=attempt.may_wait,
            )
        attempt.is_right = True
        # Another process may just have changed the password and revoked the tokens: read that now.
        self._changes.poll()
        return user
