"""Parts that the OpenAPI descriptions of the protocol endpoints share."""

from typing import Any

from issuer.vocabulary import ErrorCode

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
