"""Drivers for the endpoints of a server."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx
from joserfc import jwt
from joserfc.jwk import KeySet

from tests.builders import PASSWORD, Credentials

ALGORITHMS = ["RS256", "PS256", "ES256", "EdDSA", "Ed25519"]


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

    @property
    def refresh_token(self) -> str:
        return self.body["refresh_token"]


class TokenDriver:
    """`POST /oauth2/token` and related endpoints of one server."""

    def __init__(self, http: httpx.Client) -> None:
        self.http = http

    def post(self, **request: Any) -> TokenAnswer:
        """Any request, with the arguments of httpx."""
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

    def refresh(self, client: Credentials, refresh_token: str, **parameters: str) -> TokenAnswer:
        return self.post(
            data={"grant_type": "refresh_token", "refresh_token": refresh_token, **parameters},
            auth=(client.client_id, client.client_secret),
        )

    def revoke(self, client: Credentials, token: str, **parameters: str) -> httpx.Response:
        """`POST /oauth2/revoke` (RFC 7009)."""
        return self._about("revoke", client, token, parameters)

    def introspect(self, client: Credentials, token: str, **parameters: str) -> dict[str, Any]:
        """The answer of `POST /oauth2/introspect` (RFC 7662) for the token."""
        answer = self._about("introspect", client, token, parameters)
        assert answer.status_code == httpx.codes.OK, answer.text
        return answer.json()

    def _about(
        self, endpoint: str, client: Credentials, token: str, parameters: dict[str, str]
    ) -> httpx.Response:
        return self.http.post(
            f"/oauth2/{endpoint}",
            data={"token": token, **parameters},
            auth=(client.client_id, client.client_secret),
        )

    def read(self, answer: TokenAnswer) -> tuple[dict[str, Any], dict[str, Any]]:
        """Header and claims of the token, verified with the published keys."""
        keys = KeySet.import_key_set(self.http.get("/.well-known/jwks.json").json())
        token = jwt.decode(answer.token, keys, algorithms=ALGORITHMS)
        return token.header, token.claims

    def claims(self, answer: TokenAnswer) -> dict[str, Any]:
        return self.read(answer)[1]


class AdminApi:
    """`/admin/v1` of one server, with the token of one client."""

    def __init__(self, http: httpx.Client, token: str) -> None:
        self.http = http
        self.headers = {"Authorization": f"Bearer {token}"}

    def __call__(self, method: str, path: str, **request: Any) -> httpx.Response:
        headers = {**self.headers, **request.pop("headers", {})}
        return self.http.request(method, f"/admin/v1{path}", headers=headers, **request)

    def get(self, path: str, **request: Any) -> httpx.Response:
        return self("GET", path, **request)

    def post(self, path: str, /, **members: Any) -> httpx.Response:
        return self("POST", path, json=members)

    def patch(self, path: str, /, if_match: str | None = None, **members: Any) -> httpx.Response:
        headers = {"If-Match": if_match} if if_match else {}
        return self("PATCH", path, json=members, headers=headers)

    def put(self, path: str, **request: Any) -> httpx.Response:
        return self("PUT", path, **request)

    def delete(self, path: str, **request: Any) -> httpx.Response:
        return self("DELETE", path, **request)


def problem(response: httpx.Response) -> tuple[int, str]:
    """Status and the last part of the `type` of a problem."""
    assert response.headers["content-type"] == "application/problem+json", response.text
    return response.status_code, response.json()["type"].rpartition(":")[2]
