"""The constants of the protocols, each defined once."""

from datetime import timedelta
from enum import StrEnum

ADMIN_API = "/admin/v1"  # of every path of the admin API, under the path of the issuer


class GrantType(StrEnum):
    """Grant types that a client may be allowed to use (RFC 6749 §1.3)."""

    CLIENT_CREDENTIALS = "client_credentials"
    PASSWORD = "password"  # noqa: S105 - the grant's name
    REFRESH_TOKEN = "refresh_token"  # noqa: S105 - the grant's name
    AUTHORIZATION_CODE = "authorization_code"
    DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"  # RFC 8628 §3.4
    TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"  # noqa: S105 - RFC 8693 §2.1

    JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"  # RFC 7523 §2.1

    @property
    def short(self) -> str:
        """What people read: without the beginning of a URN."""
        return self.value.rpartition(":")[2]


class TokenType(StrEnum):
    """Types of tokens in a token exchange (RFC 8693 §3)."""

    ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - the type's name
    ID_TOKEN = "urn:ietf:params:oauth:token-type:id_token"  # noqa: S105 - the type's name
    # draft-ietf-oauth-identity-assertion-authz-grant-03 §4.3
    ID_JAG = "urn:ietf:params:oauth:token-type:id-jag"


class AuthMethod(StrEnum):
    """How a client authenticates (RFC 7591 §2).

    `client_secret_basic` and `client_secret_post` each allow the other as well, and assertions if
    the client has keys, so that it can change from the one to the other.
    """

    CLIENT_SECRET_BASIC = "client_secret_basic"  # noqa: S105 - the method's name
    CLIENT_SECRET_POST = "client_secret_post"  # noqa: S105 - the method's name
    PRIVATE_KEY_JWT = "private_key_jwt"
    NONE = "none"

    @property
    def has_secret(self) -> bool:
        return self in {AuthMethod.CLIENT_SECRET_BASIC, AuthMethod.CLIENT_SECRET_POST}


class UserRights(StrEnum):
    """Rights of a user through a client: what user and client both hold, or all of the user."""

    OWN = "own"
    ALL = "all"


class RegisteredBy(StrEnum):
    """Who made a client: an administrator, or the client itself (RFC 7591, or its document)."""

    ADMIN = "admin"
    REGISTRATION = "registration"
    METADATA = "metadata"


class GivenAs(StrEnum):
    """With which rights somebody gave a credential: at the command line, with `issuer:admin`."""

    LOCAL = "local"
    ADMIN = "admin"
    OTHER = "other"


class SigningAlgorithm(StrEnum):
    """JWS algorithms an audience may use (RFC 7518 §3.1, RFC 8037, RFC 9864); all asymmetric.

    `EdDSA` and `Ed25519` name one algorithm. Each has keys of its own, so that verifiers which pin
    the name of a key's algorithm learn the new one before a token has it.
    """

    RS256 = "RS256"
    PS256 = "PS256"
    ES256 = "ES256"
    EDDSA = "EdDSA"
    ED25519 = "Ed25519"


class TokenAlgorithm(StrEnum):
    """JWS algorithms that tokens of others may have (RFC 7518 §3.1, RFC 8037); all asymmetric."""

    RS256 = "RS256"
    RS384 = "RS384"
    RS512 = "RS512"
    PS256 = "PS256"
    PS384 = "PS384"
    PS512 = "PS512"
    ES256 = "ES256"
    ES384 = "ES384"
    ES512 = "ES512"
    EDDSA = "EdDSA"


class ErrorCode(StrEnum):
    """RFC 6749 §5.2, RFC 8707 §2, RFC 8628 §3.5, RFC 9449 §12.2.

    The last two are as in RFC 6749 §4.1.2.1.
    """

    INVALID_REQUEST = "invalid_request"
    INVALID_CLIENT = "invalid_client"
    INVALID_GRANT = "invalid_grant"
    UNAUTHORIZED_CLIENT = "unauthorized_client"
    UNSUPPORTED_GRANT_TYPE = "unsupported_grant_type"
    INVALID_SCOPE = "invalid_scope"
    INVALID_TARGET = "invalid_target"
    INVALID_REDIRECT_URI = "invalid_redirect_uri"  # RFC 7591 §3.2.2
    INVALID_CLIENT_METADATA = "invalid_client_metadata"
    AUTHORIZATION_PENDING = "authorization_pending"
    SLOW_DOWN = "slow_down"
    ACCESS_DENIED = "access_denied"
    EXPIRED_TOKEN = "expired_token"  # noqa: S105 - the error's name
    INVALID_DPOP_PROOF = "invalid_dpop_proof"
    USE_DPOP_NONCE = "use_dpop_nonce"
    # Of pushed requests (RFC 9126 §2.3).
    UNSUPPORTED_RESPONSE_TYPE = "unsupported_response_type"
    LOGIN_REQUIRED = "login_required"
    REQUEST_NOT_SUPPORTED = "request_not_supported"
    REQUEST_URI_NOT_SUPPORTED = "request_uri_not_supported"
    SERVER_ERROR = "server_error"
    TEMPORARILY_UNAVAILABLE = "temporarily_unavailable"


class AuthorizationErrorCode(StrEnum):
    """RFC 6749 §4.1.2.1, RFC 8707 §2, OpenID Connect Core §3.1.2.6."""

    INVALID_REQUEST = "invalid_request"
    UNAUTHORIZED_CLIENT = "unauthorized_client"
    ACCESS_DENIED = "access_denied"
    UNSUPPORTED_RESPONSE_TYPE = "unsupported_response_type"
    INVALID_SCOPE = "invalid_scope"
    INVALID_TARGET = "invalid_target"
    LOGIN_REQUIRED = "login_required"
    CONSENT_REQUIRED = "consent_required"
    REQUEST_NOT_SUPPORTED = "request_not_supported"
    REQUEST_URI_NOT_SUPPORTED = "request_uri_not_supported"


ACCESS_TOKEN_TYPE = "at+jwt"  # noqa: S105 - RFC 9068 §2.1
ID_TOKEN_TYPE = "JWT"  # noqa: S105 - RFC 7519 §5.1
LOGOUT_TYPE = "logout+jwt"  # OpenID Connect Back-Channel Logout §2.4
SECURITY_EVENT_TYPE = "secevent+jwt"  # RFC 8417 §2.3
GLOBAL_REVOCATION_TYPE = "global-token-revocation+jwt"  # of Okta; the draft leaves it open
ID_JAG_TYPE = "oauth-id-jag+jwt"  # draft-ietf-oauth-identity-assertion-authz-grant-03 §3.1
# draft-ietf-oauth-identity-assertion-authz-grant-03 §7.2
ID_JAG_PROFILE = "urn:ietf:params:oauth:grant-profile:id-jag"
FEED_TYPE = "revocations+jwt"
DPOP_PROOF_TYPE = "dpop+jwt"  # RFC 9449 §4.2
DPOP = "DPoP"  # the header, the authentication scheme and the `token_type` (RFC 9449 §5, §7.1)
LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
CLIENT_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"  # RFC 7523 §2.2
AUDIT_CHECKPOINT_TYPE = "audit-checkpoint+jwt"

TOKEN_PATH = "/oauth2/token"  # noqa: S105 - a path, below that of ISSUER_URL
ADMIN_CLIENT = "issuer-admin"  # that `issuer init` creates

# The grants of clients that registered themselves, and of those that cannot keep a secret.
GRANTS_WITH_A_PERSON = frozenset({GrantType.AUTHORIZATION_CODE, GrantType.REFRESH_TOKEN})
GRANTS_OF_PUBLIC_CLIENTS = GRANTS_WITH_A_PERSON | {GrantType.DEVICE_CODE}

# `sub` of the tokens of inspections. No user and no client can have this id: `issuer:` is reserved.
INSPECTOR = "issuer:inspector"

SHORTEST_TOKEN = timedelta(minutes=1)
MAX_TOKEN = timedelta(days=1)
# How much the clocks of two processes may differ.
MAX_CLOCK_SKEW = timedelta(minutes=1)
# How much later than the process that made a change another process may see it.
SEEN_WITHIN = timedelta(seconds=1)
# How far the clock of a verifier may be behind: so long it trusts an expired token.
VERIFIERS_BEHIND = timedelta(minutes=5)
# How long after its `exp` some verifier may still trust a token.
TOKEN_RETENTION = MAX_CLOCK_SKEW + SEEN_WITHIN + VERIFIERS_BEHIND
# How long after a hand-over some verifier may still trust a token of the old key, with which a
# process may sign for a moment longer.
KEY_RETENTION = MAX_TOKEN + TOKEN_RETENTION

# How deep `act` may be nested: how many clients act for a person, one through the other.
MAX_ACTORS = 3

CLAIMS_OF_THE_TOKEN = frozenset(
    "iss sub aud exp iat jti client_id scope scopes roles session_id".split()  # noqa: SIM905
)
# Of OpenID Connect Core §5.1, which AgentOS reads.
PROFILE_CLAIMS = frozenset({"name", "email", "email_verified"})
CLAIMS_THAT_CHANGE_A_TOKEN = frozenset(
    "nbf cnf act may_act azp typ auth_time acr amr nonce sid at_hash events".split()  # noqa: SIM905
)
