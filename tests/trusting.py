"""Other issuers whose tokens are evidence here, as Kubernetes, GitHub and others sign them."""

import json
from dataclasses import dataclass, field
from typing import Any

import jwt
from jwt.algorithms import OKPAlgorithm

from tests.builders import URL, Deployment
from tests.oauth.asserting import new_key

GITHUB = "https://token.actions.githubusercontent.com"
CLUSTER = "https://kubernetes.default.svc.cluster.local"
POD = "system:serviceaccount:prod:web"


@dataclass(frozen=True)
class OtherIssuer:
    """An issuer with one key."""

    issuer: str = CLUSTER
    alg: str = "RS256"
    kid: str | None = "c1"
    key: Any = field(default=None, repr=False)

    @classmethod
    def new(cls, issuer: str = CLUSTER, alg: str = "RS256", **members: Any) -> "OtherIssuer":
        return cls(issuer, alg, key=new_key(alg), **members)

    @property
    def jwk(self) -> dict[str, Any]:
        return {**self.key.as_dict(private=False), "kid": self.kid or "c1", "alg": self.alg}

    @property
    def jwks(self) -> dict[str, Any]:
        return {"keys": [self.jwk]}

    def token(self, now: float, header: dict[str, Any] | None = None, **changed: Any) -> str:
        """A token for a pod; None leaves a claim out."""
        claims = {
            "iss": self.issuer,
            "sub": POD,
            "aud": [URL],
            "iat": int(now),
            "nbf": int(now),
            "exp": int(now) + 3_600,
            **changed,
        }
        claims = {name: value for name, value in claims.items() if value is not None}
        headers = {**({"kid": self.kid} if self.kid else {}), **(header or {})}
        # Not by `jwt.encode`, which checks some claims.
        payload = json.dumps(claims).encode()
        jws = jwt.PyJWS()
        jws.register_algorithm("Ed25519", OKPAlgorithm())
        return jws.encode(payload, self.key.as_pem(private=True), self.alg, headers)


def trusted(deployment: Deployment, other: OtherIssuer, **fields: Any) -> str:
    """Trust the issuer with inline keys; its id here."""
    members = {
        "id": "cluster",
        "issuer": other.issuer,
        "algorithms": [other.alg],
        "keys": {"jwks": other.jwks},
        **fields,
    }
    with deployment.changing() as work:
        collection = work.trusted_issuers
        return collection.create(collection.resource_type.fields.read(members)).id


def trust(**members: Any) -> dict[str, Any]:
    """A trust in the pod."""
    return {"issuer": "cluster", "subject": POD, **members}
