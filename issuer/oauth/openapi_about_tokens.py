"""The OpenAPI 3.1 description of the revocation and introspection endpoints."""

from typing import Any

from issuer.oauth.openapi_parts import REQUEST_ID, TAGS, refusals


def _about_a_token(
    operation_id: str, summary: str, done: dict[str, Any], *, public_clients: bool
) -> dict[str, Any]:
    """RFC 7009 and RFC 7662 have the same request."""
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
                        "required": ["token"],
                        "properties": {
                            "token": {
                                "type": "string",
                                "description": "An access or refresh token",
                            },
                            "token_type_hint": {"type": "string", "description": "Ignored"},
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
    return _about_a_token(
        "revoke",
        "Revoke a token; a refresh token with the access tokens of its family (RFC 7009)",
        {"description": "The token is revoked, or was not an active token of the client"},
        public_clients=True,
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
    return _about_a_token(
        "introspect",
        "Introspect a token (RFC 7662)",
        {
            "description": "Whether the token is active, and its properties. A token of another"
            " client is inactive, unless the caller has `issuer:introspect`",
            "content": {"application/json": {"schema": schema}},
        },
        public_clients=False,
    )
