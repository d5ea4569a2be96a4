"""Drivers: what a caller of the server does, in sentences."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx
from joserfc import jwt
from joserfc.jwk import KeySet

from tests.builders import PASSWORD, Credentials


@dataclass(frozen=True)
class TokenAnswer:
    """An answer of the token endpoint."""

    response: httpx.Response

    @property
    def status(self) -> int:
        return self.response.status_code

    @property
    def body(self) -> dict[str, Any]:
        return self.response.json()

    @property
    def error(self) -> str | None:
        return self.body.get("error")

    @property
    def scope(self) -> set[str]:
        return set(self.body["scope"].split())

    @property
    def token(self) -> str:
        return self.body["access_token"]


class TokenEndpoint:
    """`POST /oauth2/token` of one server, and what is published for reading its tokens."""

    def __init__(self, http: httpx.Client) -> None:
        self.http = http

    def post(self, **request: Any) -> TokenAnswer:
        """Any request, as httpx takes it."""
        return TokenAnswer(self.http.post("/oauth2/token", **request))

    def client_credentials(self, client: Credentials, **parameters: str) -> TokenAnswer:
        return self.post(
            data={"grant_type": "client_credentials", **parameters},
            auth=(quote(client.client_id, safe=""), client.client_secret),
        )

    def password(
        self, client: Credentials, username: str, password: str = PASSWORD, **parameters: str
    ) -> TokenAnswer:
        return self.post(
            data={
                "grant_type": "password",
                "username": username,
                "password": password,
                **parameters,
            },
            auth=(client.client_id, client.client_secret),
        )

    def read(self, answer: TokenAnswer) -> tuple[dict[str, Any], dict[str, Any]]:
        """Header and claims of the token, verified with what the server publishes."""
        keys = KeySet.import_key_set(self.http.get("/.well-known/jwks.json").json())
        token = jwt.decode(answer.token, keys, algorithms=["RS256", "PS256", "ES256", "EdDSA"])
        return token.header, token.claims

    def claims(self, answer: TokenAnswer) -> dict[str, Any]:
        return self.read(answer)[1]
