"""Clients that prove that they have a key (RFC 9449)."""

from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import count
from typing import Any

from joserfc import jws
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey
from joserfc.util import json_b64encode
from pydantic_core import to_json

from issuer.dpop.proof import ALGORITHMS
from tests.builders import URL, Deployment
from tests.drivers import TokenAnswer, TokenDriver

TOKEN_URL = f"{URL}/oauth2/token"
_REGISTRY = jws.JWSRegistry(algorithms=[*ALGORITHMS, "HS256"], strict_check_header=False)
_REGISTRY.max_header_length = 16_384
_numbers = count(1)


def generated(alg: str, bits: int = 2_048) -> Key:
    """A new key for the algorithm."""
    if alg == "ES256":
        return ECKey.generate_key("P-256")
    return OKPKey.generate_key("Ed25519") if alg.startswith("Ed") else RSAKey.generate_key(bits)


@dataclass(frozen=True)
class ProofKey:
    """A key of a client, and the proofs that it makes."""

    alg: str = "ES256"
    key: Key = field(default_factory=lambda: generated("ES256"), repr=False)

    @classmethod
    def new(cls, alg: str) -> "ProofKey":
        return cls(alg, generated(alg))

    @property
    def jkt(self) -> str:
        """The thumbprint of the key."""
        return self.key.thumbprint()

    def proof(
        self,
        now: float,
        method: str = "POST",
        url: str = TOKEN_URL,
        *,
        header: dict[str, Any] | None = None,
        payload: bytes | None = None,
        token: str | None = None,
        **changed: Any,
    ) -> str:
        """A valid proof, but for what is changed; None leaves a member out."""
        whole = {"typ": "dpop+jwt", "alg": self.alg, "jwk": self.key.as_dict(private=False)}
        claims = {"jti": f"jti-{next(_numbers)}", "htm": method, "htu": url, "iat": int(now)}
        if token is not None:
            claims["ath"] = ath(token)
        claims |= changed
        parts = whole | (header or {})
        text = to_json({name: it for name, it in claims.items() if it is not None})
        return self.signed({n: it for n, it in parts.items() if it is not None}, payload or text)

    def signed(self, header: dict[str, Any], payload: bytes) -> str:
        """A JWT with any header, signed by the algorithm of the key."""
        signing_input = json_b64encode(header) + b"." + urlsafe_b64encode(payload).rstrip(b"=")
        signature = _REGISTRY.get_alg(self.alg).sign(signing_input, self.key)
        return (signing_input + b"." + urlsafe_b64encode(signature).rstrip(b"=")).decode()


def ath(token: str) -> str:
    """The hash of an access token (RFC 9449 §4.2)."""
    return urlsafe_b64encode(sha256(token.encode()).digest()).decode().rstrip("=")


class ProvingDriver(TokenDriver):
    """Every request to the token endpoint has a new proof by one key, at the time of the clock."""

    def __init__(self, deployment: Deployment, key: ProofKey | None = None, **changed: Any) -> None:
        super().__init__(deployment.http)
        self.clock = deployment.clock
        self.key = key or ProofKey()
        self.changed = changed

    def proof(self, *args: Any, **changed: Any) -> str:
        """A proof that is made now."""
        return self.key.proof(self.clock().timestamp(), *args, **{**self.changed, **changed})

    def post(self, **request: Any) -> TokenAnswer:
        headers = {"DPoP": self.proof(), **request.pop("headers", {})}
        return super().post(headers=headers, **request)

    def presenting(self, token: str, method: str, path: str, **changed: Any) -> dict[str, str]:
        """The headers of a request to a resource of the issuer (RFC 9449 §7.1)."""
        proof = self.proof(method, URL + path, **{"token": token, **changed})
        return {"Authorization": f"DPoP {token}", "DPoP": proof}
