"""The endpoints about tokens there are already, as OpenAPI 3.1 describes them."""

from typing import Any

from issuer.oauth.openapi_parts import REQUEST_ID, TAGS, refusals


def _about_a_token(operation_id: str, summary: str, done: dict[str, Any]) -> dict[str, Any]:
    """RFC 7009 and RFC 7662 ask alike."""
    return {
        "tags": TAGS,
        "operationId": operation_id,
        "summary": summary,
        "description": "A client authenticates as at the token endpoint.",
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
                            "token_type_hint": {"type": "string", "description": "Not needed"},
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
        "Give up a token, a refresh token with the access tokens of its family (RFC 7009)",
        {"description": "The token of the client is dead, or was no living one"},
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
        "Ask whether a token is active (RFC 7662)",
        {
            "description": "What is known of it; of another client's only with issuer:introspect,"
            " else it is inactive",
            "content": {"application/json": {"schema": schema}},
        },
    )
