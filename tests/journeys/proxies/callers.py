"""Callers with different rights, and whether an answer belongs to its caller."""

import base64
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from urllib.parse import quote, urlencode

from tests.builders import Credentials, Deployment
from tests.journeys.proxies.wire import ProxiedAnswer, request

TOKEN, INTROSPECT = "/oauth2/token", "/oauth2/introspect"
Header = tuple[str, str]
_numbers = count(1)


def new_id(kind: str) -> str:
    """A unique value for `X-Request-Id`."""
    return f"{kind}-{next(_numbers)}"


@dataclass(frozen=True)
class Caller:
    """A client that requests one scope at one audience, and its expected answers."""

    credentials: Credentials
    audience: str
    scope: str

    @property
    def basic(self) -> Header:
        """RFC 6749 §2.3.1."""
        pair = f"{quote(self.credentials.client_id, safe='')}:{self.credentials.client_secret}"
        return "Authorization", f"Basic {base64.b64encode(pair.encode()).decode()}"

    @property
    def form(self) -> bytes:
        asked = {"audience": self.audience, "scope": self.scope}
        return urlencode({"grant_type": "client_credentials", **asked}).encode()

    def headers(self, request_id: str) -> list[Header]:
        """Headers of any request with a form, without credentials and framing."""
        return [("Content-Type", "application/x-www-form-urlencoded"), ("X-Request-Id", request_id)]

    def token(
        self, request_id: str, more: Iterable[Header] = (), body: bytes | None = None
    ) -> bytes:
        """A request for a token; `body` replaces the form."""
        headers = [*self.headers(request_id), self.basic, *more]
        return request(TOKEN, headers, self.form if body is None else body)

    def introspection(self, request_id: str, token: str) -> bytes:
        headers = [*self.headers(request_id), self.basic]
        return request(INTROSPECT, headers, urlencode({"token": token}).encode())

    def owns(self, claims: dict[str, Any]) -> bool:
        """Whether these are the claims of a token of this caller."""
        mine = {
            "client_id": self.credentials.client_id,
            "sub": self.credentials.client_id,
            "aud": self.audience,
            "scope": self.scope,
        }
        return mine.items() <= claims.items()


@dataclass
class Ledger:
    """The result of a load. `answers` and `refused` are those of honest callers.

    Misplaced is an answer to another request than the one it came for, or about another caller.
    `trusted_trailers` are answers to attackers whose only credentials were in a trailer.
    """

    answers: int = 0
    refused: int = 0
    to_attackers: int = 0
    trusted_trailers: int = 0
    misplaced: list[str] = field(default_factory=list)
    _jtis: set[str] = field(default_factory=set, repr=False)

    def check(self, caller: Caller, request_id: str, answer: ProxiedAnswer) -> None:
        """Note the answer if it is misplaced."""
        body = answer.json
        claims = claims_of(body["access_token"]) if "access_token" in body else body
        is_about_someone = "access_token" in body or body.get("active")
        if (
            answer.request_id not in {None, request_id}
            or (is_about_someone and not caller.owns(claims))
            or ("access_token" in body and claims["jti"] in self._jtis)
        ):
            asked = f"{caller.credentials.client_id} asked {request_id}"
            self.misplaced.append(f"{asked}, was answered {answer.request_id}: {claims}")
        if "access_token" in body:
            self._jtis.add(claims["jti"])


def claims_of(token: str) -> dict[str, Any]:
    """Not verified."""
    payload = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))


def mixed_callers(deployment: Deployment) -> list[Caller]:
    """Several clients, audiences and scopes, an administrator among them."""
    callers = [Caller(deployment.admin, deployment.services.settings.url, "issuer:admin")]
    for number in range(5):
        audience = deployment.audience(f"os-{number}")
        scope = f"agents:agent-{number}:run"
        client = deployment.client(f"caller-{number}", audiences=[audience], scopes=[scope])
        callers.append(Caller(client, audience, scope))
    return callers


def one_attacker(deployment: Deployment) -> Caller:
    """An attacker's client, with few rights."""
    return Caller(
        deployment.client("attacker", scopes=["agents:none:read"]), "my-os", "agents:none:read"
    )
