"""The OpenAPI 3.1 description of the protocol endpoints besides that of the token endpoint."""

from typing import Any

from issuer.vocabulary import GRANTS_WITH_A_PERSON, AuthMethod, ErrorCode

TAGS = ["OAuth 2.0"]
REQUEST_ID = {
    "X-Request-Id": {
        "description": "The request's, if it is 1 to 128 of A-Z a-z 0-9 . _ -, else generated.",
        "schema": {"type": "string"},
    }
}


def refusals() -> dict[str, Any]:
    """The error responses of an endpoint for clients."""
    return {
        "400": refusal("The request is refused (RFC 6749 §5.2, RFC 8707 §2)"),
        "401": refusal("Client authentication failed", "WWW-Authenticate"),
        "405": refusal("Not a POST", "Allow"),
        "413": refusal("The body exceeds 16 KiB"),
        "429": refusal("Too many requests (RFC 6585 §4)", "Retry-After"),
        "500": refusal("Internal error. The log has the cause under the request id"),
        "503": refusal("Overload, or the database is unavailable", "Retry-After"),
    }


def refusal(description: str, *headers: str) -> dict[str, Any]:
    """An error response (RFC 6749 §5.2)."""
    return {
        "description": description,
        "headers": {**REQUEST_ID, **{name: {"schema": {"type": "string"}} for name in headers}},
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "required": ["error"],
                    "properties": {
                        "error": {"type": "string", "enum": [code.value for code in ErrorCode]},
                        "error_description": {"type": "string"},
                    },
                }
            }
        },
    }


_ABOUT_A_TOKEN = {
    "token": {"type": "string", "description": "An access or refresh token"},
    "token_type_hint": {"type": "string", "description": "Ignored"},
}


def _for_clients(
    operation_id: str,
    summary: str,
    done: dict[str, Any],
    *,
    public_clients: bool = True,
    parameters: dict[str, Any] = _ABOUT_A_TOKEN,
    required: tuple[str, ...] = ("token",),
) -> dict[str, Any]:
    """A form that an authenticated client sends; by default that of RFC 7009 and RFC 7662."""
    return {
        "tags": TAGS,
        "operationId": operation_id,
        "summary": summary,
        "description": "A client authenticates as at the token endpoint."
        + ("" if public_clients else " Public clients are refused."),
        "security": [{"client_secret_basic": []}, {}],
        "requestBody": {
            "required": True,
            "content": {
                "application/x-www-form-urlencoded": {
                    "schema": {
                        "type": "object",
                        "required": list(required),
                        "properties": {
                            **parameters,
                            "client_id": {"type": "string"},
                            "client_secret": {"type": "string", "format": "password"},
                        },
                    }
                }
            },
        },
        "responses": {"200": {"headers": REQUEST_ID, **done}, **refusals()},
    }


def revocation() -> dict[str, Any]:
    """RFC 7009."""
    return _for_clients(
        "revoke",
        "Revoke a token; a refresh token with the access tokens of its family (RFC 7009)",
        {"description": "The token is revoked, or was not an active token of the client"},
    )


def introspection() -> dict[str, Any]:
    """RFC 7662."""
    text, seconds = {"type": "string"}, {"type": "integer"}
    schema = {
        "type": "object",
        "required": ["active"],
        "properties": {
            "active": {"type": "boolean"},
            **dict.fromkeys(("scope", "client_id", "username", "token_type", "sub"), text),
            **dict.fromkeys(("aud", "iss", "jti", "session_id"), text),
            **dict.fromkeys(("exp", "iat"), seconds),
            "roles": {"type": "array", "items": text},
        },
    }
    return _for_clients(
        "introspect",
        "Introspect a token (RFC 7662)",
        {
            "description": "Whether the token is active, and its properties. A token of another"
            " client is inactive, unless the caller has `issuer:introspect`",
            "content": {"application/json": {"schema": schema}},
        },
        public_clients=False,
    )


def device_authorization() -> dict[str, Any]:
    """RFC 8628 §3.1."""
    uri, secret = {"type": "string", "format": "uri"}, {"type": "string", "format": "password"}
    answer = {
        "device_code": {**secret, "description": "For the token endpoint"},
        "user_code": {**secret, "description": "What the user enters at `verification_uri`"},
        "verification_uri": uri,
        "verification_uri_complete": {**uri, "description": "With the user code, for a QR code"},
        "expires_in": {"type": "integer", "description": "Seconds"},
        "interval": {"type": "integer", "description": "Seconds between two token requests"},
    }
    asked = ("scope", "audience", "resource")
    return _for_clients(
        "authorize_device",
        "Get codes for a device on which nobody can sign in (RFC 8628)",
        {
            "description": "The codes",
            "content": {"application/json": {"schema": _object(answer, list(answer))}},
        },
        parameters={name: _AUTHORIZATION[name] for name in asked},
        required=(),
    )


_TEXT = {"type": "string"}
_URIS = {"type": "array", "items": {"type": "string", "format": "uri"}}
_METADATA: dict[str, Any] = {
    "redirect_uris": _URIS,
    "client_name": _TEXT,
    "token_endpoint_auth_method": {"type": "string", "enum": list(AuthMethod)},
    "jwks": {"type": "object", "description": "Public keys, for private_key_jwt"},
    "jwks_uri": {"type": "string", "format": "uri"},
    "grant_types": {"type": "array", "items": {"enum": sorted(GRANTS_WITH_A_PERSON)}},
    "response_types": {"type": "array", "items": {"const": "code"}},
    "post_logout_redirect_uris": _URIS,
}
_REGISTERED: dict[str, Any] = {
    "client_id": _TEXT,
    "client_id_issued_at": {"type": "integer"},
    "client_secret": _TEXT,
    "client_secret_expires_at": {"const": 0},
    **_METADATA,
}


def registration() -> dict[str, Any]:
    """RFC 7591."""
    return {
        "tags": TAGS,
        "operationId": "register",
        "summary": "Register a client (RFC 7591)",
        "description": "Where `ISSUER_CLIENT_REGISTRATION` is `token`, with an access token of the"
        " scope `issuer:clients:register`. The client has no rights of its own. Other members are"
        " ignored, and so are other grant types.",
        "security": [{"access_token": []}, {}],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": _object(_METADATA, ["redirect_uris"])}},
        },
        "responses": {
            "201": {
                "description": "The client as registered; its secret is shown once",
                "headers": REQUEST_ID,
                "content": {"application/json": {"schema": _object(_REGISTERED, ["client_id"])}},
            },
            "400": refusal("The metadata is refused (RFC 7591 §3.2.2)"),
            "401": refusal("No active initial access token", "WWW-Authenticate"),
            "403": refusal("The token does not allow it", "WWW-Authenticate"),
            "413": refusal("The body exceeds 16 KiB"),
            "429": refusal("Too many requests (RFC 6585 §4)", "Retry-After"),
            "503": refusal("Overload, or too many clients", "Retry-After"),
        },
    }


def _object(properties: dict[str, Any], required: list[str]) -> dict[str, Any]:
    return {"type": "object", "required": required, "properties": properties}


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
