"""Authlib's authorization server: the only module that knows its grants and their hooks.

Authlib runs the steps of each grant (RFC 6749 §4, §6): whether the client may use it, which
parameters it needs, whether they belong together. At its hooks it asks the grants of this package.
"""

from dataclasses import dataclass
from typing import Any

from authlib.oauth2 import OAuth2Error, rfc6749
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload
from authlib.oauth2.rfc8628 import DeviceCodeGrant

from issuer.composition import ProtocolParts
from issuer.directory import ClientRecord
from issuer.oauth.grants import Grant, Granted, build_grants
from issuer.oauth.messages import AuthenticatedRequest, OAuthError, ParsedRequest, invalid_request
from issuer.refresh_tokens.family import ValidatedToken
from issuer.sign_in.codes_store import AuthorizationCode
from issuer.vocabulary import ErrorCode, GrantType

# Authlib refuses a plain http URL; TLS ends at the proxy, and `Settings` has checked ours.
_SECURE_URL = "https://localhost/"


class IssuerAuthorizationServer(rfc6749.AuthorizationServer):  # type: ignore[misc]
    """Runs Authlib's grants. The endpoints authenticate, issue, audit and answer."""

    def __init__(self, parts: ProtocolParts) -> None:
        super().__init__()
        self.grants = build_grants(parts)
        for steps in (
            ClientCredentialsSteps,
            CodeSteps,
            DeviceCodeSteps,
            PasswordSteps,
            RefreshTokenSteps,
            TokenExchangeSteps,
            JwtBearerSteps,
        ):
            if steps.GRANT_TYPE in self.grants:
                self.register_grant(steps)

    def grant_of(self, request: ParsedRequest) -> Grant:
        """The grant that the request names. An error does not repeat what the caller sent."""
        if (grant_type := request.parameters.get("grant_type")) is None:
            raise invalid_request("grant_type is missing.")
        if grant_type not in self.grants:
            raise OAuthError(
                ErrorCode.UNSUPPORTED_GRANT_TYPE, f"grant_type must be {' or '.join(self.grants)}."
            )
        return self.grants[grant_type]

    def authorize(self, request: AuthenticatedRequest) -> Granted:
        """What the request is granted; `OAuthError` if nothing."""
        steps = self.get_token_grant(AuthlibRequest(request))
        try:
            steps.validate_token_request()
            _, granted, _ = steps.create_token_response()
        except OAuth2Error as error:
            code, status = ErrorCode(error.error), error.status_code
            raise OAuthError(code, str(error.description), status=status) from None
        authorized: Granted = granted
        return authorized


@dataclass(frozen=True, slots=True)
class AuthlibClient(rfc6749.ClientMixin):  # type: ignore[misc]
    """A client in the form that Authlib's grants expect."""

    record: ClientRecord

    def get_client_id(self) -> str:
        return self.record.client_id

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type in self.record.grant_types


@dataclass(frozen=True, slots=True)
class AuthlibCode:
    """A code in the form that Authlib's grant expects."""

    found: AuthorizationCode

    def get_redirect_uri(self) -> str:
        return self.found.redirect_uri

    def get_client_id(self) -> str:
        return self.found.client_id

    def get_scope(self) -> str:
        return " ".join(sorted(self.found.scopes))


@dataclass(frozen=True, slots=True)
class AuthlibToken(rfc6749.TokenMixin):  # type: ignore[misc]
    """A refresh token in the form that Authlib's grant expects."""

    found: ValidatedToken

    def check_client(self, client: AuthlibClient) -> bool:
        return self.found.family.client_id == client.record.client_id

    def get_scope(self) -> str:
        return " ".join(sorted(self.found.family.scopes))


class AuthlibRequest(rfc6749.OAuth2Request):  # type: ignore[misc]
    """An authenticated request in the form that Authlib's grants expect."""

    def __init__(self, authenticated: AuthenticatedRequest) -> None:
        super().__init__("POST", _SECURE_URL)
        self.authenticated = authenticated
        self.payload = BasicOAuth2Payload(authenticated.parameters)
        self.client = AuthlibClient(authenticated.client)

    @property
    def form(self) -> object:
        return self.authenticated.parameters


class Steps(rfc6749.grants.BaseGrant):  # type: ignore[misc]
    """Mixed in before Authlib's grant of the same `GRANT_TYPE`. Each method is a hook of Authlib.

    What a token may contain takes the place of the user, and is returned as the token.
    """

    @property
    def ours(self) -> Any:
        return self.server.grants[self.GRANT_TYPE]

    def authenticate_token_endpoint_client(self) -> AuthlibClient:
        """Already done: Authlib's reveals whether the client exists."""
        client: AuthlibClient = self.request.client
        return client

    def generate_token(self, user: Granted | None = None, **_: object) -> Granted:
        granted: Granted = user or self.ours.authorize(self.request.authenticated)
        return granted

    def save_token(self, token: Granted) -> None:
        """Access tokens are not stored; the endpoint writes an audit event."""


class ClientCredentialsSteps(Steps, rfc6749.grants.ClientCredentialsGrant):  # type: ignore[misc]
    """RFC 6749 §4.4."""


class PasswordSteps(Steps, rfc6749.grants.ResourceOwnerPasswordCredentialsGrant):  # type: ignore[misc]
    """RFC 6749 §4.3."""

    def authenticate_user(self, username: str, password: str) -> Granted:
        granted: Granted = self.ours.authorize(self.request.authenticated, username, password)
        return granted


class EarlierSteps(Steps):
    """For a grant whose request presents what a user has granted before."""

    def authenticate_user(self, presented: AuthlibCode | AuthlibToken) -> Granted:
        granted: Granted = self.ours.authorize(self.request.authenticated, presented.found)
        return granted


class CodeSteps(EarlierSteps, rfc6749.grants.AuthorizationCodeGrant):  # type: ignore[misc]
    """RFC 6749 §4.1."""

    def query_authorization_code(self, code: str, client: AuthlibClient) -> AuthlibCode:
        return AuthlibCode(self.ours.find(self.request.authenticated, code))

    def delete_authorization_code(self, code: AuthlibCode) -> None:
        """The code is consumed in the transaction that stores the token."""


class DeviceCodeSteps(EarlierSteps, DeviceCodeGrant):  # type: ignore[misc]
    """RFC 8628 §3.4. What a device is told that has to wait, our grant has decided."""

    def query_device_credential(self, device_code: str) -> AuthlibCode:
        return AuthlibCode(self.ours.find(self.request.authenticated, device_code))

    def validate_device_credential(self, credential: AuthlibCode) -> Granted:
        return self.authenticate_user(credential)


class RefreshTokenSteps(EarlierSteps, rfc6749.grants.RefreshTokenGrant):  # type: ignore[misc]
    """RFC 6749 §6."""

    def authenticate_refresh_token(self, refresh_token: str) -> AuthlibToken:
        return AuthlibToken(self.ours.find(self.request.authenticated, refresh_token))

    def _validate_token_scope(self, token: AuthlibToken) -> None:
        """Leave it to our grant, which narrows: Authlib compares strings."""

    def revoke_old_credential(self, token: AuthlibToken) -> None:
        """Done in the transaction that stores the successor."""


class OwnSteps(Steps, rfc6749.grants.TokenEndpointMixin):  # type: ignore[misc]
    """For a grant of ours that reads all parameters itself."""

    def validate_token_request(self) -> None:
        if not self.request.client.check_grant_type(self.GRANT_TYPE):
            raise rfc6749.UnauthorizedClientError(
                f"The client is not authorized to use 'grant_type={self.GRANT_TYPE}'"
            )

    def create_token_response(self) -> tuple[int, Granted, list[tuple[str, str]]]:
        return 200, self.generate_token(), []


class TokenExchangeSteps(OwnSteps):
    """RFC 8693, for which Authlib has no grant."""

    GRANT_TYPE = GrantType.TOKEN_EXCHANGE.value


class JwtBearerSteps(OwnSteps):
    """RFC 7523 §2.1. Authlib's grant takes the subject of any JWT for a user of its own."""

    GRANT_TYPE = GrantType.JWT_BEARER.value
