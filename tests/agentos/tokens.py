"""Access tokens with the claims of RFC 9068 and AgentOS, signed without an issuer."""

import base64
import hmac
import json
import time
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey, Key, OKPKey, RSAKey


class Tokens:
    """Issues tokens with one key, and publishes that key in the two forms AgentOS accepts."""

    def __init__(
        self,
        algorithm: str = "RS256",
        *,
        kid: str | None = None,
        issuer: str = "https://id.example",
    ) -> None:
        self.issuer = issuer
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
        typ: str | None = "at+jwt",
        **claims: Any,
    ) -> str:
        """A signed access token that expires `expires_in` seconds from now; negative: ended before.

        What is given as None is left out.
        """
        scopes = list(scopes)
        issued_at = int(time.time()) + min(expires_in, 0) - 1
        payload = {
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
        return self.sign(payload | claims, typ)

    def sign(self, claims: dict[str, Any], typ: str | None) -> str:
        """A JWT of these claims. What is None is left out."""
        return jwt.encode(
            _without_none({"alg": self.algorithm, "kid": self.kid, "typ": typ}),
            _without_none(claims),
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


def signed_with_the_public_key(token: str, pem: str) -> str:
    """The same claims under `alg: HS256`, the public key taken for the secret (RFC 8725 §2.1)."""
    header, claims, _ = token.split(".")
    signed = f"{_encoded(_decoded(header) | {'alg': 'HS256'})}.{claims}"
    signature = hmac.digest(pem.encode(), signed.encode(), "sha256")
    return f"{signed}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def with_header(token: str, **header: Any) -> str:
    """The same claims and signature under another header."""
    was, payload, signature = token.split(".")
    return f"{_encoded(_decoded(was) | header)}.{payload}.{signature}"


def with_claims(token: str, **claims: Any) -> str:
    """The same header and signature over other claims."""
    header, payload, signature = token.split(".")
    return f"{header}.{_encoded(_decoded(payload) | claims)}.{signature}"


def _encoded(part: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


def _decoded(part: str) -> dict[str, Any]:
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def _without_none(members: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}
