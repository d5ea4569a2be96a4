"""Access tokens in the shape that CONTRACT §3 promises, without an issuer behind them.

`Tokens` is the seam: what the tests ask of it, an issuer can answer as well.
"""

import base64
import json
import time
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey


class Tokens:
    """Issues tokens with one key, and publishes that key in the two ways AgentOS can take it."""

    issuer = "https://id.example"

    def __init__(self, algorithm: str = "RS256", *, kid: str | None = None) -> None:
        self.algorithm = algorithm
        self._key = new_key(algorithm)
        self.kid = kid or self._key.thumbprint()

    @property
    def pem(self) -> str:
        return self._key.as_pem(private=False).decode()

    @property
    def jwks(self) -> dict[str, Any]:
        """RFC 7517 §5."""
        public = self._key.as_dict(private=False)
        return {"keys": [public | {"kid": self.kid, "alg": self.algorithm, "use": "sig"}]}

    def write_jwks(self, directory: Path) -> Path:
        path = directory / "jwks.json"
        path.write_text(json.dumps(self.jwks))
        return path

    def given_as(self, keys_given_as: str, directory: Path) -> dict[str, Any]:
        """The public key as an argument of `running_agent_os`."""
        if keys_given_as == "jwks_file":
            return {"jwks_file": self.write_jwks(directory)}
        return {"pems": [self.pem]}

    def issue(
        self,
        scopes: Iterable[str] = (),
        /,
        *,
        audience: str = "my-os",
        expires_in: int = 900,
        sub: str = "usr_alice",
        **claims: Any,
    ) -> str:
        """A signed access token that ends `expires_in` seconds from now; negative: ended before."""
        scopes = list(scopes)
        issued_at = int(time.time()) + min(expires_in, 0) - 1
        return jwt.encode(
            {"alg": self.algorithm, "kid": self.kid, "typ": "at+jwt"},
            {
                "iss": self.issuer,
                "sub": sub,
                "aud": audience,
                "iat": issued_at,
                "exp": int(time.time()) + expires_in,
                "jti": uuid.uuid4().hex,
                "client_id": "svc_tests",
                "scope": " ".join(scopes),
                "scopes": scopes,
            }
            | claims,
            self._key,
            algorithms=[self.algorithm],
        )


def new_key(algorithm: str) -> Key:
    """A fresh private key that can sign with `algorithm`."""
    if algorithm == "ES256":
        return ECKey.generate_key("P-256")
    if algorithm == "EdDSA":
        return OKPKey.generate_key("Ed25519")
    return RSAKey.generate_key(2048)


def unsigned(token: str) -> str:
    """The same claims under `alg: none` (RFC 7518 §3.6)."""
    _, claims, _ = token.split(".")
    return f"{_encoded({'alg': 'none', 'typ': 'at+jwt'})}.{claims}."


def with_claims(token: str, **claims: Any) -> str:
    """The same header and signature over other claims."""
    header, payload, signature = token.split(".")
    known = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return f"{header}.{_encoded(known | claims)}.{signature}"


def _encoded(part: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()
