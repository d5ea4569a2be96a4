"""The OpenAPI 3.1 description of the endpoints for people who sign in."""

from typing import Any

from issuer.oauth.openapi_parts import REQUEST_ID, TAGS

_TEXT = {"type": "string"}
_AUTHORIZATION = {
    "response_type": {"const": "code"},
    "client_id": _TEXT,
    "redirect_uri": {**_TEXT, "description": "A registered one; on loopback the port may differ"},
    "code_challenge": {**_TEXT, "description": "base64url(SHA-256(code_verifier))"},
    "code_challenge_method": {"const": "S256"},
    "state": _TEXT,
    "scope": {**_TEXT, "description": "Space-delimited; narrowed to what the user holds"},
    "resource": {**_TEXT, "description": "An audience, or a resource of one (RFC 8707)"},
    "audience": {**_TEXT, "description": "As `resource`"},
    "nonce": _TEXT,
    "prompt": {**_TEXT, "description": "`none`, `login`, `consent` or `select_account`"},
    "max_age": {"type": "integer", "description": "Seconds since the user signed in"},
    "acr_values": {**_TEXT, "description": "Ignored: `acr` of the ID token says what was used"},
    "login_hint": _TEXT,
    "id_token_hint": _TEXT,
}
_REQUIRED = {name for name in _AUTHORIZATION if name.startswith(("response", "client", "redirect"))}
_REQUIRED |= {"code_challenge", "code_challenge_method"}
_LOGOUT = {
    "id_token_hint": _TEXT,
    "client_id": _TEXT,
    "post_logout_redirect_uri": {**_TEXT, "description": "A registered one"},
    "state": _TEXT,
}


def authorization() -> dict[str, Any]:
    """RFC 6749 §4.1.1, by GET and POST."""
    return _for_browsers("authorize", "Sign a person in for a client", _AUTHORIZATION, _REQUIRED)


def logout() -> dict[str, Any]:
    """OpenID Connect RP-Initiated Logout 1.0, by GET and POST."""
    return _for_browsers("logout", "Sign a person out", _LOGOUT, set())


def user_info() -> dict[str, Any]:
    """OpenID Connect Core §5.3, by GET and POST."""
    claims: dict[str, Any] = dict.fromkeys(("sub", "name", "preferred_username", "email"), _TEXT)
    claims["email_verified"] = {"const": True, "description": "Left out if it is not verified"}
    schema = {"type": "object", "required": ["sub"], "properties": claims}
    challenge = {"WWW-Authenticate": {"schema": _TEXT}}
    described = {
        "tags": TAGS,
        "summary": "Who signed in (OpenID Connect Core §5.3)",
        "description": "Any active access token of this issuer whose `scope` has `openid`.",
        "security": [{"access_token": []}],
        "responses": {
            "200": {
                "description": "What the scopes of the token allow",
                "headers": REQUEST_ID,
                "content": {"application/json": {"schema": schema}},
            },
            "401": {"description": "No active access token", "headers": challenge},
            "403": {"description": "The token has no `openid`", "headers": challenge},
        },
    }
    return {
        "get": {**described, "operationId": "user_info"},
        "post": {**described, "operationId": "user_info_by_post"},
    }


def _for_browsers(
    operation_id: str, summary: str, parameters: dict[str, Any], required: set[str]
) -> dict[str, Any]:
    location = {"Location": {"schema": _TEXT}}
    described = {
        "tags": TAGS,
        "summary": summary,
        "description": "For browsers: a client redirects there, and no script fetches it.",
        "responses": {
            "303": {"description": "Back to the client, or to a page", "headers": location},
            "400": {"description": "A page: client or address are wrong"},
            "503": {"description": "A page: try again in a moment"},
        },
    }
    form = {"type": "object", "required": sorted(required), "properties": parameters}
    body = {"content": {"application/x-www-form-urlencoded": {"schema": form}}}
    query = [
        {"name": name, "in": "query", "required": name in required, "schema": schema}
        for name, schema in parameters.items()
    ]
    return {
        "get": {**described, "operationId": operation_id, "parameters": query},
        "post": {**described, "operationId": f"{operation_id}_by_post", "requestBody": body},
    }
