"""A signed JWT, and the parts of it that are signed."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic_core import to_json

from issuer.keys.signing_key import SigningKey


@dataclass(frozen=True, slots=True)
class Signed:
    """A JWT and the key that signed it."""

    token: str = field(repr=False)
    kid: str


def header_and_payload(
    key: SigningKey, typ: str, claims: Mapping[str, object]
) -> tuple[dict[str, object], bytes]:
    """The header and payload of a JWT of `claims` by `key` (RFC 7515 §4, RFC 7519 §7.1)."""
    header: dict[str, object] = {"alg": key.alg.value, "kid": key.kid, "typ": typ}
    return header, to_json(claims)
