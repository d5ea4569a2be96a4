"""Assertions that a client signs with a key of its own (RFC 7523 §2.2)."""

from dataclasses import dataclass, field
from itertools import count
from typing import Any

import jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey

from issuer.vocabulary import CLIENT_ASSERTION_TYPE
from tests.builders import URL, Credentials, Deployment
from tests.drivers import TokenAnswer, TokenDriver
from tests.oauth.refreshing import events

GRANT = {"grant_type": "client_credentials"}
INVALID_CLIENT = {
    "error": "invalid_client",
    "error_description": "Client authentication failed.",
}
_numbers = count(1)


def new_key(alg: str) -> Any:
    match alg:
        case "ES256":
            return ECKey.generate_key("P-256", private=True)
        case "EdDSA":
            return OKPKey.generate_key("Ed25519", private=True)
    return RSAKey.generate_key(2048, private=True)


@dataclass(frozen=True)
class AssertingClient:
    """A client with a key pair; `kid` None leaves it out of the header of its assertions."""

    client_id: str
    alg: str = "ES256"
    kid: str | None = "k1"
    issuer: str = URL
    key: Any = field(default=None, repr=False)

    @classmethod
    def new(cls, client_id: str, alg: str = "ES256", **members: Any) -> "AssertingClient":
        return cls(client_id, alg, key=new_key(alg), **members)

    @property
    def jwk(self) -> dict[str, Any]:
        """The public key."""
        return {**self.key.as_dict(private=False), "alg": self.alg, "kid": self.kid or "k1"}

    @property
    def jwks(self) -> dict[str, Any]:
        return {"keys": [self.jwk]}

    def claims(self, now: float, **changed: Any) -> dict[str, Any]:
        """Of a valid assertion, but for what is `changed`; None leaves a claim out."""
        claims = {
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": self.issuer,
            "iat": int(now),
            "exp": int(now) + 60,
            "jti": f"jti-{next(_numbers)}",
            **changed,
        }
        return {name: value for name, value in claims.items() if value is not None}

    def signed(self, claims: dict[str, Any], **header: Any) -> str:
        """With these members of the header; None leaves one out."""
        members = {"kid": self.kid, **header}
        headers = {name: value for name, value in members.items() if value is not None}
        if "typ" in header and header["typ"] is None:
            headers["typ"] = None
        return jwt.encode(claims, self.key.as_pem(private=True), self.alg, headers)

    def assertion(self, now: float, **changed: Any) -> str:
        return self.signed(self.claims(now, **changed))


def now(deployment: Deployment) -> float:
    """Seconds since 1970, by the clock that tests move."""
    return deployment.clock().timestamp()


def form_of(assertion: str, **parameters: str) -> dict[str, str]:
    """A token request with the assertion."""
    kind = {"client_assertion_type": CLIENT_ASSERTION_TYPE, "client_assertion": assertion}
    return {**GRANT, **kind, **parameters}


def ask(token_endpoint: TokenDriver, assertion: str, **parameters: str) -> TokenAnswer:
    return token_endpoint.post(data=form_of(assertion, **parameters))


def with_keys(deployment: Deployment, client: AssertingClient, **fields: Any) -> Credentials:
    """The client, registered with `private_key_jwt` and its public key."""
    members = {"token_endpoint_auth_method": "private_key_jwt", "jwks": client.jwks, **fields}
    return deployment.client(client.client_id, **members)


def why_refused(deployment: Deployment) -> str:
    """Why the last token request was refused, as the audit log says."""
    return events(deployment, "token.refused")[-1].reason or ""
