"""The OpenAPI 3.1 description of the protocol endpoints, which are not FastAPI routes."""

from collections.abc import Iterable
from typing import Any

from issuer.oauth.authorization import AUTHORIZATION_PATH
from issuer.oauth.device_authorization import DEVICE_AUTHORIZATION_PATH
from issuer.oauth.introspection import Introspection
from issuer.oauth.logout import LOGOUT_PATH
from issuer.oauth.metadata import JWKS_PATH, TOKEN_PATH, metadata_paths
from issuer.oauth.openapi_endpoints import (
    REQUEST_ID,
    TAGS,
    authorization,
    device_authorization,
    introspection,
    logout,
    refusal,
    refusals,
    registration,
    revocation,
    user_info,
)
from issuer.oauth.registration import REGISTRATION_PATH
from issuer.oauth.revocation import Revocation
from issuer.oauth.revocation_feed import FEED_MEDIA_TYPE, FEED_PATH
from issuer.oauth.user_info import USER_INFO_PATH
from issuer.settings import Settings
from issuer.vocabulary import CLIENT_ASSERTION_TYPE


def protocol_paths(settings: Settings, grant_types: Iterable[str]) -> dict[str, Any]:
    """The `paths` of the protocol endpoints."""
    base = settings.base_path
    documents = {
        path: {
            "get": _document(
                "Authorization server metadata (RFC 8414)",
                "application/json",
                {"type": "object", "required": ["issuer", "token_endpoint", "jwks_uri"]},
            )
        }
        for path in metadata_paths(settings)
    }
    is_off = settings.client_registration == "off"
    registration_path = {} if is_off else {base + REGISTRATION_PATH: {"post": registration()}}
    jwks = _document(
        "The key set for verifying tokens (RFC 7517)",
        "application/jwk-set+json",
        {
            "type": "object",
            "required": ["keys"],
            "properties": {"keys": {"type": "array", "items": {"type": "object"}}},
        },
    )
    return {
        base + AUTHORIZATION_PATH: authorization(),
        base + TOKEN_PATH: {"post": _token(list(grant_types))},
        base + USER_INFO_PATH: user_info(),
        base + LOGOUT_PATH: logout(),
        base + Revocation.path: {"post": revocation()},
        base + Introspection.path: {"post": introspection()},
        base + DEVICE_AUTHORIZATION_PATH: {"post": device_authorization()},
        **registration_path,
        base + JWKS_PATH: {"get": jwks},
        base + FEED_PATH: {"get": _feed(settings.signing_algorithms)},
        **documents,
    }


def security_schemes() -> dict[str, Any]:
    """How a client authenticates at the token endpoint, for `components`."""
    return {"client_secret_basic": {"type": "http", "scheme": "basic"}}


def _feed(algorithms: Iterable[str]) -> dict[str, Any]:
    described = _document("The revocation feed: a JWT of type revocations+jwt", FEED_MEDIA_TYPE)
    described["description"] = (
        "Signed by a key of the key set. Claims: `iss`, `iat`, `exp` and `revoked`. Members of"
        " `revoked`: `jti`, tokens with their `exp`; `sid`, families of refresh tokens with the"
        " `exp` of the last access token; `sub`, `client_id` and `aud`, each with a time T: tokens"
        " issued at or before T are revoked; `kid`, revoked keys. All times in whole seconds."
    )
    alg = {"type": "string", "enum": [str(alg) for alg in algorithms]}
    described["parameters"].append(
        {"name": "alg", "in": "query", "description": "Algorithm of the signing key", "schema": alg}
    )
    described["responses"]["400"] = refusal("Unsupported `alg`")
    described["responses"]["503"] = refusal("The database is unavailable", "Retry-After")
    return described


def _token(grant_types: list[str]) -> dict[str, Any]:
    return {
        "tags": TAGS,
        "operationId": "token",
        "summary": "Get an access token (RFC 6749 §3.2)",
        "description": "A client authenticates with HTTP Basic, or with `client_id` and"
        " `client_secret` in the form, or with an assertion that it has signed (RFC 7523 §2.2). A"
        " public client sends only `client_id`.",
        "security": [{"client_secret_basic": []}, {}],
        "requestBody": {
            "required": True,
            "content": {
                "application/x-www-form-urlencoded": {
                    "schema": _token_request(grant_types),
                    "example": {
                        "grant_type": "client_credentials",
                        "audience": "my-os",
                        "scope": "agents:web:run",
                    },
                }
            },
        },
        "responses": {
            "200": {
                "description": "An access token for exactly `scope`",
                "headers": REQUEST_ID,
                "content": {"application/json": {"schema": _token_response()}},
            },
            **refusals(),
        },
    }


def _token_request(grant_types: list[str]) -> dict[str, Any]:
    text = {"type": "string"}
    secret = {"type": "string", "format": "password"}
    return {
        "type": "object",
        "required": ["grant_type"],
        "properties": {
            "grant_type": {"type": "string", "enum": grant_types},
            "scope": {**text, "description": "Space-delimited. Default: all scopes held"},
            "audience": {**text, "description": "Id of the AgentOS the token is for"},
            "resource": {**text, "description": "As `audience` (RFC 8707)"},
            "session_id": {**text, "description": "For clients with `may_set_session`"},
            "username": {**text, "description": "For the password grant"},
            "password": {**secret, "description": "For the password grant"},
            "refresh_token": {**secret, "description": "For the refresh token grant"},
            "code": {**secret, "description": "For the authorization code grant"},
            "device_code": {**secret, "description": "For the device authorization grant"},
            "code_verifier": {**secret, "description": "For the authorization code grant"},
            "redirect_uri": {**text, "description": "For the authorization code grant"},
            "client_id": text,
            "client_secret": secret,
            "client_assertion": {
                **secret,
                "description": "A JWT: `iss` and `sub` are the client, `aud` is the issuer alone,"
                " `exp` at most 10 minutes away, `jti` used once",
            },
            "client_assertion_type": {"const": CLIENT_ASSERTION_TYPE},
        },
    }


def _token_response() -> dict[str, Any]:
    return {
        "type": "object",
        "required": ["access_token", "token_type", "expires_in", "scope"],
        "properties": {
            "access_token": {"type": "string", "description": "A JWT of type at+jwt (RFC 9068)"},
            "token_type": {"const": "Bearer"},
            "expires_in": {"type": "integer", "description": "Seconds"},
            "scope": {"type": "string", "description": "Space-delimited"},
            "refresh_token": {
                "type": "string",
                "description": "Opaque, and replaced at every use. For clients with that grant"
                " type, after a user signed in",
            },
            "id_token": {
                "type": "string",
                "description": "With `openid`, where a person signed in in a browser",
            },
        },
    }


def _document(
    summary: str, media_type: str, schema: dict[str, Any] | None = None
) -> dict[str, Any]:
    cached = {name: {"schema": {"type": "string"}} for name in ("ETag", "Cache-Control")}
    return {
        "tags": TAGS,
        "summary": summary,
        "parameters": [{"name": "If-None-Match", "in": "header", "schema": {"type": "string"}}],
        "responses": {
            "200": {
                "description": "The document",
                "headers": {**REQUEST_ID, **cached},
                "content": {media_type: {"schema": schema} if schema else {}},
            },
            "304": {"description": "Not modified", "headers": REQUEST_ID},
        },
    }
