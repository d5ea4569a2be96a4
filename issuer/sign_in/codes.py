"""Issuing and redeeming authorization codes (RFC 6749 §4.1, RFC 9700 §2.1.1)."""

from collections.abc import Callable
from dataclasses import dataclass

from issuer.audit import Actor, Trails
from issuer.clock import Clock
from issuer.database import Database
from issuer.deliveries.logouts_store import EndedSessions
from issuer.errors import InvalidCredentials
from issuer.fields.secret_text import SecretTexts
from issuer.refresh_tokens import RefreshTokens, TokenToStore
from issuer.refresh_tokens.store import FamilyStore
from issuer.sign_in.codes_store import AuthorizationCode, CodeStore
from issuer.sign_in.session_revoker import SessionRevoker
from issuer.tokens.authorization import Authorization
from issuer.tokens.issuing import RevokedUntil


@dataclass(eq=False, repr=False)
class AuthorizationCodes:
    """For a worker thread: each call is a transaction. `_ended` is called after a revocation."""

    _database: Database
    _trails: Trails
    _clock: Clock
    texts: SecretTexts
    _refresh_tokens: RefreshTokens
    _ended: Callable[[], None]

    def find(self, text: str) -> AuthorizationCode:
        """The code, perhaps used; `InvalidCredentials` if there is none, or it has expired."""
        digest = self.texts.digest(text)
        if digest is None:
            raise InvalidCredentials("not an authorization code")
        with self._database.reading() as session:
            code = CodeStore(session).find(digest)
        if code is None:
            raise InvalidCredentials("unknown authorization code")
        if code.used_at is None and code.expires_at <= self._clock():
            raise InvalidCredentials("expired authorization code", code.user_id)
        return code

    def redeem(
        self, code: AuthorizationCode, authorization: Authorization, issue: TokenToStore
    ) -> str | RevokedUntil | None:
        """Consume the code; the refresh token, if the authorization has a family (its `sid`).

        The use of the code, the refresh token and the audit event of the access token are one
        transaction, durable when this returns. `RevokedUntil` with the current time if another
        request has used the code since it was found, and `RevokedUntil` also if the access token
        was revoked meanwhile; the code can still be used then.
        """
        token, family = None, None
        if authorization.sid != code.session_id:
            first_of, of_user = self._refresh_tokens.first_of, code.user_id
            token, family = first_of(of_user, authorization, issue, code.session_id)
        with self._database.changing() as session:
            family_id = family.id if family else None
            if not CodeStore(session).consume(code, self._clock(), issue.access_token, family_id):
                if self._refresh_tokens.is_revoked(session, issue, code):
                    return RevokedUntil.after_revocations(self._clock())
                stored = CodeStore(session).find(code.digest)
                if stored is not None and stored.used_at is not None:
                    return RevokedUntil(self._clock())  # the code is then found as used
                ended = "the session or the rights behind the code ended"
                raise InvalidCredentials(ended, code.user_id)
            if family is not None:
                FamilyStore(session).add(family)
            if authorization.client.backchannel_logout_uri is not None:
                sessions, audience_id = EndedSessions(session), authorization.audience.id
                sessions.note_client(code.session_id, code.client_id, audience_id)
            issue.record(self._trails, session, code.user_id, family_id)
        return token

    def revoke(self, code: AuthorizationCode, actor: Actor) -> None:
        """Revoke what the code gave: it was used again."""
        with self._database.changing() as session:
            trail = self._trails.begin(session, actor)
            SessionRevoker(session, trail, self._clock).code(code)
        self._ended()

    def delete_expired(self) -> None:
        self._database.in_batches(lambda session: CodeStore(session).delete_expired(self._clock()))
