"""Driver: the feed as a verifier reads it."""

import base64
import json
from dataclasses import dataclass
from typing import Any

import httpx
from joserfc import jwt
from joserfc.jwk import KeySet

PATH = "/.well-known/revocations"


@dataclass(frozen=True)
class Feed:
    """A feed whose signature was verified with the published key set."""

    response: httpx.Response
    header: dict[str, Any]
    claims: dict[str, Any]

    @classmethod
    def of(cls, http: httpx.Client, **asked: Any) -> "Feed":
        response = http.get(PATH, **asked)
        assert response.status_code == 200, response.text
        keys = KeySet.import_key_set(http.get("/.well-known/jwks.json").json())
        token = jwt.decode(response.text, keys, algorithms=["RS256", "ES256", "EdDSA", "Ed25519"])
        return cls(response, token.header, token.claims)

    @property
    def revoked(self) -> dict[str, Any]:
        """The listed revocations, by claim."""
        revoked: dict[str, Any] = self.claims["revoked"]
        return revoked

    def refuses(self, token: str) -> bool:
        """Whether the feed revokes that token (docs/reference/revocation-feed.md)."""
        header, claims = (
            json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
            for part in token.split(".")[:2]
        )
        return (
            claims["jti"] in self.revoked["jti"]
            or header["kid"] in self.revoked["kid"]
            or any(
                claims["iat"] <= self.revoked[name].get(claims.get(name), 0)
                for name in ("sid", "sub", "client_id", "aud")
            )
        )
