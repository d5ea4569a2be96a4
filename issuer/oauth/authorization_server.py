"""Authlib's authorization server: all hooks that Authlib calls on the server."""

from authlib.oauth2.rfc6749 import AuthorizationServer, ClientMixin, OAuth2Request
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload

from issuer.composition import ProtocolParts
from issuer.directory import ClientRecord
from issuer.oauth.errors import OAuthError
from issuer.oauth.grants import Grant, Granted, enabled_grants
from issuer.oauth.introspection import Introspection
from issuer.oauth.request import AuthenticatedRequest, ParsedRequest
from issuer.oauth.revocation import Revocation
from issuer.refresh_tokens import Family
from issuer.vocabulary import ErrorCode

# Endpoints for authenticated clients, besides the token endpoint. One file per endpoint.
ENDPOINTS: list[type[Revocation | Introspection]] = [Revocation, Introspection]
# Authlib refuses a plain http URL; TLS ends at the proxy, and `Settings` has checked ours.
_SECURE_URL = "https://localhost/"


class AuthlibClient(ClientMixin):  # type: ignore[misc]
    """A client in the form that Authlib's grants expect."""

    def __init__(self, record: ClientRecord) -> None:
        self.record = record

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type in self.record.grant_types


class AuthlibRequest(OAuth2Request):  # type: ignore[misc]
    """An authenticated request in the form that Authlib's grants and endpoints expect."""

    def __init__(self, authenticated: AuthenticatedRequest) -> None:
        super().__init__("POST", _SECURE_URL)
        self.authenticated = authenticated
        self.payload = BasicOAuth2Payload(authenticated.parameters)
        self.client = AuthlibClient(authenticated.client)

    @property
    def form(self) -> object:
        return self.authenticated.parameters


class IssuerAuthorizationServer(AuthorizationServer):  # type: ignore[misc]
    """Runs Authlib's grants and endpoints.

    Authentication, issuing, audit and responses are done by the endpoints of this package.
    """

    def __init__(self, parts: ProtocolParts) -> None:
        super().__init__()
        self.issuer = parts.settings.url
        self._is_password_enough = parts.settings.users_sign_in_with_password
        self.tokens = parts.tokens
        self.sign_in = parts.sign_in
        self.people = parts.people
        self.administration = parts.administration
        self.grants = {grant.GRANT_TYPE.value: grant for grant in enabled_grants(parts.settings)}
        for grant in self.grants.values():
            self.register_grant(grant)
        self.endpoints = {each.ENDPOINT_NAME: each for each in ENDPOINTS}
        for endpoint in ENDPOINTS:
            self.register_endpoint(endpoint)

    def grant_of(self, request: ParsedRequest) -> type[Grant]:
        """The grant that the request names. An error does not repeat what the caller sent."""
        grant_type = request.parameters.get("grant_type")
        if grant_type is None:
            raise OAuthError(ErrorCode.INVALID_REQUEST, "grant_type is missing.")
        if grant_type not in self.grants:
            raise OAuthError(
                ErrorCode.UNSUPPORTED_GRANT_TYPE, f"grant_type must be {' or '.join(self.grants)}."
            )
        return self.grants[grant_type]

    def offers_what_began(self, family: Family) -> bool:
        """Whether users could still get a token by the grant with which the family began."""
        return not family.is_of_password_grant or self._is_password_enough

    def authorize(self, request: AuthenticatedRequest) -> Granted:
        """What the request is granted; `OAuth2Error` if nothing."""
        grant: Grant = self.get_token_grant(AuthlibRequest(request))
        grant.validate_token_request()
        _, granted, _ = grant.create_token_response()
        authorized: Granted = granted
        return authorized

    def run_endpoint(
        self, name: str, request: AuthenticatedRequest
    ) -> tuple[int, dict[str, object], list[tuple[str, str]]]:
        """Status, body and headers of the response of `name`; `OAuth2Error` if it refuses."""
        (endpoint,) = self._endpoints[name]
        response: tuple[int, dict[str, object], list[tuple[str, str]]] = endpoint(
            AuthlibRequest(request)
        )
        return response

    def authenticate_client(
        self, request: AuthlibRequest, methods: object = None, endpoint: str = "token"
    ) -> AuthlibClient:
        """Authlib's hook. Already done: Authlib's reveals whether the client exists."""
        client: AuthlibClient = request.client
        return client

    def save_token(self, token: object, request: AuthlibRequest) -> None:
        """Authlib's hook. Access tokens are not stored; the endpoint writes an audit event."""

    def send_signal(self, name: str, *args: object, **kwargs: object) -> None:
        """Authlib's hook. Its signals have no listeners here."""
