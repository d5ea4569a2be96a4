"""What the descriptions of several protocol endpoints say alike."""

from typing import Any

from issuer.vocabulary import ErrorCode

TAGS = ["OAuth 2.0"]
REQUEST_ID = {
    "X-Request-Id": {
        "description": "The caller's, if it is 1 to 128 of A-Z a-z 0-9 . _ -, else one of ours.",
        "schema": {"type": "string"},
    }
}


def refusals() -> dict[str, Any]:
    """Of an endpoint for clients."""
    return {
        "400": refusal("The request is refused (RFC 6749 §5.2, RFC 8707 §2)"),
        "401": refusal("The client did not authenticate", "WWW-Authenticate"),
        "405": refusal("Not a POST", "Allow"),
        "413": refusal("The body has more than 16 KiB"),
        "429": refusal("Too many requests (RFC 6585 §4)", "Retry-After"),
        "500": refusal("Unforeseen; the log has the cause under the request id"),
        "503": refusal("Overload, or the database is away", "Retry-After"),
    }


def refusal(description: str, *headers: str) -> dict[str, Any]:
    """An answer as RFC 6749 §5.2 has it."""
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
