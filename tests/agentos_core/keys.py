"""Keys and tokens of an issuer, valid or invalid in any part."""

import base64
import json
from dataclasses import dataclass
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_CURVES = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}


@dataclass(frozen=True)
class Key:
    """A private key that signs any claims."""

    kid: str
    alg: str
    private: Any

    @property
    def jwk(self) -> dict[str, Any]:
        return self._jwk(self.private.public_key()) | {"use": "sig"}

    @property
    def private_jwk(self) -> dict[str, Any]:
        return self._jwk(self.private) | {"use": "sig"}

    def sign(self, claims: Any, *, alg: str | None = None, **header: Any) -> str:
        """A compact JWS (RFC 7515 §7.1). `claims` as bytes are taken as they are."""
        alg = alg or self.alg
        members = {"alg": alg, "kid": self.kid, "typ": "at+jwt"} | header
        head = {name: value for name, value in members.items() if value is not ...}
        signed = f"{encoded(head)}.{encoded(claims)}"
        name = "EdDSA" if alg == "Ed25519" else alg  # PyJWT knows the old name
        signature = jwt.get_algorithm_by_name(name).sign(signed.encode(), self.private)
        return f"{signed}.{encoded(signature)}"

    def _jwk(self, key: Any) -> dict[str, Any]:
        public = jwt.get_algorithm_by_name(self.alg).to_jwk(key, as_dict=True)
        public.pop("key_ops", None)
        return public | {"kid": self.kid, "alg": self.alg}


@cache
def key(kid: str = "k1", alg: str = "ES256", bits: int = 2048) -> Key:
    """The same key for the same arguments: generating one is slow."""
    if alg in _CURVES:
        return Key(kid, alg, ec.generate_private_key(_CURVES[alg]))
    if alg == "EdDSA":
        return Key(kid, alg, Ed25519PrivateKey.generate())
    return Key(kid, alg, rsa.generate_private_key(65537, bits))


def key_set(*keys: Key | dict[str, Any]) -> bytes:
    """RFC 7517 §5."""
    return json.dumps({"keys": [k.jwk if isinstance(k, Key) else k for k in keys]}).encode()


def encoded(part: Any) -> str:
    """RFC 7515 §2; what is not bytes as JSON."""
    content = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
