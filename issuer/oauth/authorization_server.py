"""The binding of Authlib's authorization server: the only file that knows its hooks."""

from dataclasses import dataclass, field
from functools import lru_cache

from authlib.consts import default_json_headers
from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import AuthorizationServer, ClientMixin
from pydantic_core import to_json
from starlette.types import Receive, Scope, Send

from issuer.directory import ClientRecord
from issuer.logs import note_client
from issuer.oauth.client_authentication import authenticate_client
from issuer.oauth.errors import TOO_MANY_REQUESTS, OAuthError, quoted
from issuer.oauth.grants import Grant, enabled_grants
from issuer.oauth.introspection import Introspection
from issuer.oauth.recording import claimed_client, may_be_secret
from issuer.oauth.request import ProtocolRequest, scopes_asked
from issuer.oauth.revocation import Revocation
from issuer.scopes import InvalidScope, ScopeNotCovered
from issuer.services import Services
from issuer.tokens import AccessToken, Authorization, TokenTooLarge
from issuer.vocabulary import ErrorCode

# Endpoints for clients of ours, besides the token endpoint: one file an endpoint.
ENDPOINTS: list[type[Revocation | Introspection]] = [Revocation, Introspection]


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back. `refusal` is the error behind it, if it is one."""

    status: int
    body: dict[str, object] = field(repr=False)
    headers: list[tuple[str, str]]
    refusal: OAuth2Error | None = None

    @classmethod
    def refusing(cls, error: OAuth2Error) -> "Answer":
        """The answer that an error is (RFC 6749 §5.2)."""
        status, body, headers = error()
        return cls(status, body, headers, error)

    @property
    def is_of_a_limit(self) -> bool:
        return self.status == TOO_MANY_REQUESTS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As it goes over the wire: JSON (RFC 6749 §5).

        Not by a `Response`, which takes several times as long to make.
        """
        body = to_json(self.body)
        headers = [*_on_the_wire(*self.headers), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


@lru_cache(64)
def _on_the_wire(*headers: tuple[str, str]) -> tuple[tuple[bytes, bytes], ...]:
    return tuple((name.lower().encode(), value.encode()) for name, value in headers)


class RegisteredClient(ClientMixin):  # type: ignore[misc]
    """A client of the directory as Authlib's grants ask about one."""

    def __init__(self, record: ClientRecord) -> None:
        self.record = record

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type in self.record.grant_types


class IssuerAuthorizationServer(AuthorizationServer):  # type: ignore[misc]
    """RFC 6749 by Authlib; clients, tokens and answers by us."""

    def __init__(self, services: Services) -> None:
        super().__init__()
        self.services = services
        self.grants = {grant.GRANT_TYPE.value: grant for grant in enabled_grants(services.settings)}
        for grant in self.grants.values():
            self.register_grant(grant)
        self.endpoints = {each.ENDPOINT_NAME: each for each in ENDPOINTS}
        for endpoint in ENDPOINTS:
            self.register_endpoint(endpoint)

    def get_token_grant(self, request: ProtocolRequest) -> Grant:
        """The grant for the request. What the caller sent is never repeated."""
        if request.payload.grant_type is None:
            raise OAuthError(ErrorCode.INVALID_REQUEST, "grant_type is missing.")
        if request.payload.grant_type not in self.grants:
            raise OAuthError(
                ErrorCode.UNSUPPORTED_GRANT_TYPE, f"grant_type must be {' or '.join(self.grants)}."
            )
        grant: Grant = super().get_token_grant(request)
        return grant

    def create_token_response(self, request: ProtocolRequest) -> Answer:
        """The answer to a token request: a token, or a refusal that says why."""
        try:
            grant = self.get_token_grant(request)
            grant.validate_token_request()
            return self.handle_response(*grant.create_token_response())
        except OAuth2Error as error:
            return Answer.refusing(error)

    def create_endpoint_answer(self, name: str, request: ProtocolRequest) -> Answer:
        """The answer of the endpoint of that name, or a refusal that says why."""
        (endpoint,) = self._endpoints[name]
        try:
            return self.handle_response(*endpoint(request))
        except OAuth2Error as error:
            return Answer.refusing(error)

    def authenticate_client(
        self, request: ProtocolRequest, methods: object = None, endpoint: str = "token"
    ) -> RegisteredClient:
        """One answer for every wrong credential; Authlib's tells unknown clients apart."""
        if request.authenticated is None:
            try:
                found = authenticate_client(request, self.services.client_authentication)
            finally:
                note_client(claimed_client(request))
            request.authenticated, request.secret = found
        return RegisteredClient(request.authenticated)

    def refuse_stranger(self, request: ProtocolRequest) -> Answer | None:
        """The refusal, if the request is not from a client of ours."""
        try:
            self.authenticate_client(request)
        except OAuth2Error as error:
            return Answer.refusing(error)
        return None

    def issue(self, request: ProtocolRequest, authorization: Authorization) -> dict[str, object]:
        """RFC 6749 §5.1: the narrowed authorization as a signed token. The same for every grant."""
        try:
            narrowed = authorization.narrowed_to(scopes_asked(request))
            request.issued = self.services.tokens.issue(narrowed)
        except InvalidScope as error:
            raise _invalid_scope("Malformed scope", error.scope) from None
        except ScopeNotCovered as error:
            raise _invalid_scope("Not permitted at this audience", error.scope) from None
        except TokenTooLarge as error:
            raise OAuthError(ErrorCode.INVALID_REQUEST, quoted(str(error))) from None
        request.authorization = narrowed
        return _issued(request.issued)

    def handle_response(
        self, status: int, body: dict[str, object], headers: list[tuple[str, str]]
    ) -> Answer:
        return Answer(status, body, headers)

    def save_token(self, token: dict[str, object], request: ProtocolRequest) -> None:
        """Access tokens are not stored: the audit event, written by the endpoint, is the record."""

    def send_signal(self, name: str, *args: object, **kwargs: object) -> None:
        """Authlib's signals have no listeners here."""


def issued_answer(token: AccessToken) -> Answer:
    """What goes back with the token, and nothing else (RFC 6749 §5.1)."""
    return Answer(200, _issued(token), default_json_headers)


def _issued(token: AccessToken) -> dict[str, object]:
    return {
        "access_token": token.token,
        "token_type": "Bearer",
        "expires_in": token.expires_in,
        "scope": token.scope,
    }


def _invalid_scope(description: str, scope: str) -> OAuthError:
    """RFC 6749 §5.2, naming the scope; for the record only if it could not be a secret."""
    named = f"{description}: {quoted(scope)}"
    reason = description if may_be_secret(scope) else named
    return OAuthError(ErrorCode.INVALID_SCOPE, named, reason=reason)
