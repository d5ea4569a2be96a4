"""Authorization server metadata (RFC 8414), computed from the registered grants and endpoints."""

from collections.abc import Iterable

from issuer.dpop import ALGORITHMS
from issuer.languages import LANGUAGES
from issuer.oauth.authorization import AUTHORIZATION_PATH, LOGOUT_PATH
from issuer.oauth.client_authentication import METHODS
from issuer.oauth.client_endpoint import (
    ClientEndpoint,
    DeviceAuthorization,
    PushedAuthorization,
)
from issuer.oauth.provider_signals import GlobalTokenRevocation
from issuer.oauth.registration import REGISTRATION_PATH
from issuer.oauth.revocation_feed import FEED_PATH
from issuer.oauth.user_info import USER_INFO_PATH
from issuer.scopes import OPENID_SCOPES
from issuer.settings import Settings
from issuer.tokens.issuing import ACR_VALUES
from issuer.vocabulary import (
    GLOBAL_REVOCATION_TYPE,
    ID_JAG_PROFILE,
    TOKEN_PATH,
    GrantType,
    SigningAlgorithm,
    TokenType,
)

WELL_KNOWN = ("oauth-authorization-server", "openid-configuration")
JWKS_PATH = "/.well-known/jwks.json"
MAX_AGE = 300
_CLAIMS = (
    *"iss sub aud exp iat auth_time nonce amr acr sid at_hash name preferred_username".split(),  # noqa: SIM905
    *("email", "email_verified"),
)


def metadata(
    settings: Settings, grant_types: Iterable[str], endpoints: Iterable[ClientEndpoint]
) -> dict[str, object]:
    """The metadata document. `issuer` equals `ISSUER_URL` byte for byte (RFC 8414 §3.3)."""
    grants = list(grant_types)
    members: dict[str, object] = {
        "issuer": settings.url,
        "token_endpoint": settings.url + TOKEN_PATH,
        "jwks_uri": settings.url + JWKS_PATH,
        "revocations_uri": settings.url + FEED_PATH,
        "grant_types_supported": grants,
        "dpop_signing_alg_values_supported": list(ALGORITHMS),
        **_authentication("token", METHODS),
        # draft-parecki-oauth-global-token-revocation-06 §5
        "global_token_revocation_endpoint": settings.url + GlobalTokenRevocation.path,
        "global_token_revocation_endpoint_auth_methods_supported": [GLOBAL_REVOCATION_TYPE],
    }
    for endpoint in endpoints:
        members[f"{endpoint.name}_endpoint"] = settings.url + endpoint.path
        members |= _authentication(endpoint.name, endpoint.methods)
    members |= _people(settings)
    if GrantType.TOKEN_EXCHANGE in grants:
        # draft-ietf-oauth-identity-assertion-authz-grant-03 §7.1
        members["identity_chaining_requested_token_types_supported"] = [TokenType.ID_JAG.value]
    if GrantType.JWT_BEARER in grants:
        members["authorization_grant_profiles_supported"] = [ID_JAG_PROFILE]
    # How clients that nobody registered may come.
    if settings.client_registration != "off":
        members["registration_endpoint"] = settings.url + REGISTRATION_PATH
    if settings.client_metadata_hosts:
        members["client_id_metadata_document_supported"] = True
    if settings.api_docs:
        members["service_documentation"] = settings.url + "/docs"
    return members


def _people(settings: Settings) -> dict[str, object]:
    """OpenID Connect Discovery §3, RFC 8628 §4, RFC 9126 §5, RFC 9207 §3, RP-Initiated Logout
    §2.1, Back-Channel Logout §2.1.
    """
    base = settings.url
    return {
        "authorization_endpoint": base + AUTHORIZATION_PATH,
        "device_authorization_endpoint": base + DeviceAuthorization.path,
        "pushed_authorization_request_endpoint": base + PushedAuthorization.path,
        "userinfo_endpoint": base + USER_INFO_PATH,
        "end_session_endpoint": base + LOGOUT_PATH,
        "backchannel_logout_supported": True,
        "backchannel_logout_session_supported": True,
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
        "scopes_supported": list(OPENID_SCOPES),
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": list(settings.signing_algorithms),
        "acr_values_supported": list(ACR_VALUES),
        "claims_supported": list(_CLAIMS),
        "claims_parameter_supported": False,
        "ui_locales_supported": list(LANGUAGES),
        "prompt_values_supported": ["none", "login", "consent", "select_account"],
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
    }


def _authentication(name: str, methods: Iterable[str]) -> dict[str, object]:
    return {
        f"{name}_endpoint_auth_methods_supported": list(methods),
        f"{name}_endpoint_auth_signing_alg_values_supported": list(SigningAlgorithm),
    }


def metadata_paths(base_path: str) -> list[str]:
    """Every path of the document: RFC 8414 §3.1 puts the path of the issuer after the well-known
    part, OpenID Connect Discovery 1.0 §4 before it."""
    after = [f"/.well-known/{name}{base_path}" for name in WELL_KNOWN]
    before = [f"{base_path}/.well-known/{name}" for name in WELL_KNOWN]
    return list(dict.fromkeys(after + before))
