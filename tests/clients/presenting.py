"""Presenting tokens to the rules for assertions, without HTTP."""

import asyncio
import json
from dataclasses import dataclass
from typing import Any

import jwt

from issuer.clients.assertions import ProvenClient
from issuer.errors import InvalidCredentials
from tests.builders import URL, Deployment
from tests.trusting import CLUSTER, POD, OtherIssuer


@dataclass(frozen=True)
class Presenting:
    """Presents tokens at the present time of the deployment."""

    deployment: Deployment

    @property
    def at(self) -> int:
        """Seconds since 1970."""
        return int(self.deployment.clock().timestamp())

    def refusal(self, token: str, client_id: str = "pod") -> str | None:
        """The rule that the token breaks; None if it authenticates the client."""
        assertions = self.deployment.services.tokens.client_assertions
        try:
            proven = assertions.proven(client_id, token, self.deployment.clock(), is_last=True)
            assert isinstance(proven, ProvenClient)
            asyncio.run(assertions.use(proven))
        except InvalidCredentials as error:
            return error.reason
        return None

    def accepts(self, token: str, client_id: str = "pod") -> bool:
        return self.refusal(token, client_id) is None

    def findings(self, token: str, client_id: str = "pod") -> list[str | None]:
        """What `trust explain` says of each trust: the rule that the token breaks, or None."""
        explained = self.deployment.services.tokens.client_assertions.explained(client_id, token)
        return [each.rule for each in explained.trusts]

    def claims(self, **changed: Any) -> dict[str, Any]:
        """Those of the pod `prod/web`."""
        times = {"iat": self.at, "nbf": self.at, "exp": self.at + 3_600}
        return {"iss": CLUSTER, "sub": POD, "aud": [URL], **times, **changed}


def signed(by: OtherIssuer, claims: dict[str, Any] | bytes, **header: Any) -> str:
    """Exactly these claims or bytes, with these members in the header besides `alg`."""
    payload = claims if isinstance(claims, bytes) else json.dumps(claims).encode()
    return jwt.PyJWS().encode(payload, by.key.as_pem(private=True), by.alg, header)
