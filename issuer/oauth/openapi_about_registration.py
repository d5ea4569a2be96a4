"""The OpenAPI 3.1 description of the registration endpoint."""

from typing import Any

from issuer.oauth.openapi_parts import REQUEST_ID, TAGS, refusal
from issuer.vocabulary import GRANTS_WITH_A_PERSON, AuthMethod

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
_ANSWER: dict[str, Any] = {
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
                "content": {"application/json": {"schema": _object(_ANSWER, ["client_id"])}},
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
