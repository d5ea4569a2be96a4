"""The syntax of a client's public keys, as pydantic types (RFC 7591 §2)."""

import re
from typing import Annotated, Any

from pydantic import AfterValidator, WithJsonSchema

from issuer.federation import FetchRefused
from issuer.federation.fetching import require_https

MAX_KEYS = 10
_URI = re.compile(r"[!-~]{1,1024}")
_SCHEMA = {
    "type": "object",
    "description": "A JWK Set (RFC 7517 §5) with 1 to 10 public keys.",
    "required": ["keys"],
    "properties": {
        "keys": {
            "type": "array",
            "minItems": 1,
            "maxItems": MAX_KEYS,
            "items": {"type": "object", "required": ["kty"]},
        }
    },
}


def _jwks(document: dict[str, Any]) -> dict[str, Any]:
    """The set with nothing but the members that count; each key with its `kid` and `alg`."""
    # Imported here: few deployments have clients with keys.
    from issuer.federation.public_keys import ALGORITHMS, accept_jwks  # noqa: PLC0415

    keys = document.get("keys")
    if not isinstance(keys, list) or not 1 <= len(keys) <= MAX_KEYS:
        raise ValueError(f"must be a JWK Set: an object with a list of 1 to {MAX_KEYS} keys")
    return {"keys": accept_jwks(keys, ALGORITHMS)}


def _jwks_uri(text: str) -> str:
    try:
        require_https(text)
    except FetchRefused as error:
        raise ValueError(str(error).removesuffix(".")) from None
    if not _URI.fullmatch(text):
        raise ValueError("must be a URL of at most 1024 ASCII characters")
    return text


Jwks = Annotated[dict[str, Any], AfterValidator(_jwks), WithJsonSchema(_SCHEMA)]
JwksUri = Annotated[str, AfterValidator(_jwks_uri)]
