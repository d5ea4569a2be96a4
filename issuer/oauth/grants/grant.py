"""What every grant shares: it states a ceiling, and never narrows, issues or answers itself."""

from dataclasses import replace

from authlib.oauth2.rfc6749.grants import BaseGrant, TokenEndpointMixin

from issuer.directory import AudienceRecord, ClientRecord
from issuer.oauth.errors import OAuthError
from issuer.oauth.request import ProtocolRequest
from issuer.tokens import Authorization
from issuer.vocabulary import ErrorCode, GrantType

LONGEST_SESSION_ID = 255


class Grant(BaseGrant, TokenEndpointMixin):  # type: ignore[misc]
    """Mixed in before Authlib's grant of the same `GRANT_TYPE`, which keeps the RFC's order."""

    GRANT_TYPE: GrantType
    hashes_passwords = False
    queries = False
    request: ProtocolRequest

    def authorize(self, client: ClientRecord, audience: AudienceRecord) -> Authorization:
        """The most this request may have at the audience; `OAuthError` if nothing."""
        raise NotImplementedError

    def generate_token(self, *_: object, **__: object) -> dict[str, object]:
        """Authlib's hook for the token: our ceiling, the shared narrowing, our issuer."""
        client: ClientRecord = self.request.client.record
        authorization = self.authorize(client, self._audience(client))
        if (session_id := self._session_id(client)) is not None:
            authorization = replace(authorization, session_id=session_id)
        if (sid := self._sid(client)) is not None:
            authorization = replace(authorization, sid=sid)
        answer: dict[str, object] = self.server.issue(self.request, authorization)
        return answer

    def _sid(self, client: ClientRecord) -> str | None:
        """The refresh family that the token belongs to, if any."""
        return None

    def _audience(self, client: ClientRecord) -> AudienceRecord:
        """RFC 8707 §2, with one audience a token."""
        asked = self._audience_asked()
        if asked is not None:
            return self._permitted(client, asked)
        if len(client.audiences) != 1:
            raise OAuthError(ErrorCode.INVALID_TARGET, "Name the audience of the token.")
        return next(iter(client.audiences.values()))

    def _audience_asked(self) -> str | None:
        """By either of its names."""
        parameters = self.request.parameters
        asked = {parameters[name] for name in ("audience", "resource") if name in parameters}
        if len(asked) > 1:
            raise OAuthError(ErrorCode.INVALID_REQUEST, "A token is for one audience.")
        return asked.pop() if asked else None

    def _permitted(self, client: ClientRecord, audience_id: str) -> AudienceRecord:
        audience = client.audiences.get(audience_id)
        if audience is None:
            raise OAuthError(
                ErrorCode.INVALID_TARGET, "The client may not have tokens for this audience."
            )
        return audience

    def _session_id(self, client: ClientRecord) -> str | None:
        """The session the caller wants bound to the token, if the client may say so."""
        session_id = self.request.parameters.get("session_id")
        if session_id is None or not client.may_set_session:
            return None
        if len(session_id) > LONGEST_SESSION_ID or not session_id.isprintable():
            raise OAuthError(
                ErrorCode.INVALID_REQUEST,
                f"session_id must be at most {LONGEST_SESSION_ID} printable characters.",
            )
        return session_id
