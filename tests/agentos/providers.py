"""Identity providers as they document their tokens and keys, for the recipes of the how-to."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Claims = Mapping[str, Any]

SCOPES = ["agents:web:run"]
ADMIN = ["agent_os:admin"]


@dataclass(frozen=True)
class Provider:
    """The tokens that one recipe is for.

    `claims` are those of a token that may run the agent `web`, besides `iss`, `iat` and `exp`.
    `powerless` are changes that leave it valid without that right; `refused` are changes, by what
    they make of it, after which it is refused. `typ` is the one in the header. The keys are at
    `keys`, which the metadata at `metadata` names.
    """

    issuer: str
    keys: str
    claims: Claims
    powerless: Claims
    refused: Mapping[str, Claims]
    typ: str | None = None
    other_typs: tuple[str, ...] = ()
    metadata: str | None = None
    algorithm: str = "RS256"
    code: int = field(default=0, kw_only=True)
    section: str = field(default="", kw_only=True)


WORKOS = "https://api.workos.com"
AUTH0 = "https://example.eu.auth0.com/"
OKTA = "https://example.okta.com/oauth2/ausexample1"
CLERK = "https://clerk.example.com"
SUPABASE = "https://example.supabase.co/auth/v1"
FIREBASE = "https://securetoken.google.com/my-project"
COGNITO = "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Example"
KEYCLOAK = "https://sso.example/realms/acme"

_COGNITO_ACCESS: Claims = {
    "sub": "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
    "version": 2,
    "client_id": "1example23456789",
    "token_use": "access",
    "jti": "dddddddd-eeee-ffff-0000-111111111111",
}
_COGNITO_REFUSED: Mapping[str, Claims] = {
    "another app client": {"client_id": "9example87654321"},
    "no client": {"client_id": None},
    "an ID token": {"client_id": None, "token_use": "id", "aud": "1example23456789"},
    "another use": {"token_use": "id"},
    "another resource": {"aud": "https://billing.example"},
}

PROVIDERS = {
    "WorkOS": Provider(
        f"{WORKOS}/user_management/client_01EXAMPLE",
        f"{WORKOS}/sso/jwks/client_01EXAMPLE",
        {
            "sub": "user_01HBEQKA6K4QJAS93VPE39W1JT",
            "aud": "my-os",
            "org_id": "org_01HRDMC6CM357W30QMHMQ96Q0S",
            "role": "member",
            "roles": ["member"],
            "permissions": SCOPES,
            "entitlements": ["audit-logs"],
            "sid": "session_01HQSXZGF8FHF7A9ZZFCW4387R",
            "jti": "01HQSXZXPPFPKMDD32RKTFY6PV",
        },
        {"permissions": ["posts:read"], "scopes": ADMIN, "scope": "agents:web:run"},
        {"no JWT template": {"aud": None}, "another audience": {"aud": "SuperApp"}},
    ),
    "Auth0": Provider(
        AUTH0,
        f"{AUTH0}.well-known/jwks.json",
        {
            "sub": "auth0|123456",
            "aud": ["https://os.example", f"{AUTH0}userinfo"],
            "client_id": "my_client_id",
            "jti": "73WakrfVbNJBaAmhQtEeDv",
            "scope": "openid profile agents:web:run",
            "permissions": SCOPES,
        },
        {"permissions": [], "scopes": ADMIN},
        {
            "another API": {"aud": ["https://billing.example", f"{AUTH0}userinfo"]},
            "an ID token": {"aud": "my_client_id", "permissions": None},
        },
        typ="at+jwt",
        other_typs=("JWT",),
        metadata=f"{AUTH0}.well-known/openid-configuration",
    ),
    "Okta": Provider(
        OKTA,
        f"{OKTA}/v1/keys",
        {
            "ver": 1,
            "jti": "AT.MNAoEQ_jbKqoinrQo1D0XKjMX28U5d7ZszBceot7-Ts",
            "aud": "api://my-os",
            "cid": "0oaexample1",
            "uid": "00uexample1",
            "scp": ["openid", *SCOPES],
            "sub": "alice@example.com",
        },
        {"scp": ["openid"], "scopes": ADMIN},
        {"another API": {"aud": "api://default"}, "an ID token": {"aud": "0oaexample1"}},
        metadata=f"{OKTA}/.well-known/openid-configuration",
    ),
    "Clerk, session token": Provider(
        CLERK,
        f"{CLERK}/.well-known/jwks.json",
        {
            "azp": "https://app.example.com",
            "fva": [7, -1],
            "jti": "10db7f531a90cb2faea4",
            "sid": "sess_123",
            "sts": "active",
            "sub": "user_1deJLArSTiWiF1YdsEWysnhJLLY",
            "v": 2,
            "scopes": SCOPES,
        },
        {"scopes": None, "scope": "agents:web:run"},
        {
            "another application": {"azp": "https://evil.example.com"},
            "no origin": {"azp": None},
            "a template's audience": {"aud": "https://billing.example"},
        },
        typ="JWT",
        other_typs=("at+jwt",),
        section="Clerk",
    ),
    "Clerk, JWT template": Provider(
        CLERK,
        f"{CLERK}/.well-known/jwks.json",
        {
            "aud": "my-os",
            "azp": "https://app.example.com",
            "jti": "10db7f531a90cb2faea4",
            "sub": "user_1deJLArSTiWiF1YdsEWysnhJLLY",
            "scopes": SCOPES,
        },
        {"scopes": None},
        {"a session token": {"aud": None}, "another template": {"aud": "https://billing.example"}},
        typ="JWT",
        other_typs=("at+jwt",),
        section="Clerk",
        code=1,
    ),
    "Supabase": Provider(
        SUPABASE,
        f"{SUPABASE}/.well-known/jwks.json",
        {
            "aud": "authenticated",
            "sub": "123e4567-e89b-12d3-a456-426614174000",
            "role": "authenticated",
            "aal": "aal1",
            "session_id": "5b1d5d3c-4d3b-4e8e-a1a7-5d1c1c5a7a11",
            "email": "user@example.com",
            "phone": "",
            "is_anonymous": False,
            "amr": [{"method": "password", "timestamp": 1640991600}],
            "app_metadata": {"provider": "email", "agent_os_scopes": SCOPES},
            "user_metadata": {},
        },
        {
            "app_metadata": {"provider": "email"},
            "user_metadata": {"agent_os_scopes": SCOPES, "app_metadata": {"scopes": ADMIN}},
            "scopes": ADMIN,
        },
        {
            "the publishable key": {"aud": "anon", "role": "anon"},
            "an anonymous user": {"is_anonymous": True},
            "a string for a boolean": {"is_anonymous": "False"},
        },
        typ="JWT",
        other_typs=("at+jwt",),
        algorithm="ES256",
    ),
    "Firebase": Provider(
        FIREBASE,
        "https://www.googleapis.com/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com",
        {
            "aud": "my-project",
            "auth_time": 1_700_000_000,
            "user_id": "abcDEF123",
            "sub": "abcDEF123",
            "email": "user@example.com",
            "email_verified": True,
            "firebase": {"identities": {}, "sign_in_provider": "password"},
            "scopes": SCOPES,
        },
        {"scopes": None, "firebase": {"scopes": ADMIN}},
        {
            "another project": {"aud": "your-project"},
            "a custom token": {
                "aud": "https://identitytoolkit.googleapis.com/google.identity.identitytoolkit.v1.IdentityToolkit"
            },
        },
        typ="JWT",
        other_typs=("at+jwt",),
    ),
    "Cognito, groups": Provider(
        COGNITO,
        f"{COGNITO}/.well-known/jwks.json",
        {
            **_COGNITO_ACCESS,
            "cognito:groups": ["web-users"],
            "scope": "openid profile",
            "username": "alice",
        },
        {"cognito:groups": ["agents:web:run", "Admins"], "scope": "agents:web:run"},
        _COGNITO_REFUSED,
        metadata=f"{COGNITO}/.well-known/openid-configuration",
        section="Cognito",
    ),
    "Cognito, scopes": Provider(
        COGNITO,
        f"{COGNITO}/.well-known/jwks.json",
        {**_COGNITO_ACCESS, "sub": "1example23456789", "scope": "my-os/agents:web:run"},
        {"scope": "your-os/agents:web:run agents:web:run", "cognito:groups": ["admins"]},
        _COGNITO_REFUSED,
        metadata=f"{COGNITO}/.well-known/openid-configuration",
        section="Cognito",
        code=1,
    ),
    "Keycloak": Provider(
        KEYCLOAK,
        f"{KEYCLOAK}/protocol/openid-connect/certs",
        {
            "jti": "onrtac:0e0ca4b3-8d6a-4c3a-8a8d-4c0a4a6a4c1e",
            "aud": ["my-os", "account"],
            "sub": "f3a6d2c4-5b2e-4e0f-9c4d-1a2b3c4d5e6f",
            "typ": "Bearer",
            "azp": "web-app",
            "realm_access": {"roles": ["offline_access", "uma_authorization"]},
            "resource_access": {"my-os": {"roles": SCOPES}, "account": {"roles": ["view-profile"]}},
            "scope": "openid email profile",
        },
        {
            "realm_access": {"roles": ADMIN},
            "resource_access": {"my-os": {"roles": ["reader"]}, "your-os": {"roles": ADMIN}},
            "scope": "openid agents:web:run",
        },
        {
            "no role in the client": {"aud": "account"},
            "an ID token": {"typ": "ID", "aud": "my-os"},
            "no typ": {"typ": None},
        },
        typ="JWT",
        metadata=f"{KEYCLOAK}/.well-known/openid-configuration",
    ),
}
