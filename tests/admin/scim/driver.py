"""`/scim/v2` of one server, as a provisioning client."""

from typing import Any

import httpx

from issuer.scopes import ISSUER_SCIM
from tests.builders import URL, Deployment
from tests.drivers import TokenDriver

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
PATCH = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
MEDIA_TYPE = "application/scim+json"


class Scim:
    """With the token of a client."""

    def __init__(self, http: Any, token: str) -> None:
        self.http = http
        self.headers = {"Authorization": f"Bearer {token}"}

    def __call__(self, method: str, path: str, **request: Any) -> httpx.Response:
        headers = {"Content-Type": MEDIA_TYPE, **self.headers, **request.pop("headers", {})}
        answer: httpx.Response = self.http.request(
            method, f"/scim/v2{path}", headers=headers, **request
        )
        if answer.content:
            assert answer.headers["content-type"] == MEDIA_TYPE, answer.text
        return answer

    def get(self, path: str, **parameters: Any) -> httpx.Response:
        return self("GET", path, params=parameters)

    def found(self, text: str, path: str = "/Users", name: str = "userName") -> list[str]:
        """What the filter finds, by one of its attributes."""
        answer = self.get(path, filter=text)
        assert answer.status_code == 200, answer.text
        return [each[name] for each in answer.json()["Resources"]]

    def create(self, username: str, **attributes: Any) -> dict[str, Any]:
        answer = self("POST", "/Users", json={"userName": username, "active": True, **attributes})
        assert answer.status_code == 201, answer.text
        created: dict[str, Any] = answer.json()
        return created

    def patch(self, path: str, *operations: dict[str, Any], **request: Any) -> httpx.Response:
        body = {"schemas": [PATCH], "Operations": [*operations]}
        return self("PATCH", path, json=body, **request)


def scim_of(deployment: Deployment, token_endpoint: TokenDriver, *scopes: str) -> Scim:
    """As a new client with the scope of SCIM, or with others."""
    client = deployment.client(scopes=list(scopes or (ISSUER_SCIM,)), audiences=[URL])
    return Scim(deployment.http, token_endpoint.client_credentials(client).token)


def refused(answer: httpx.Response) -> tuple[int, str | None]:
    """Status and `scimType` of an error document."""
    body = answer.json()
    assert body["schemas"] == ["urn:ietf:params:scim:api:messages:2.0:Error"], body
    assert body["status"] == str(answer.status_code)
    assert body["detail"]
    return answer.status_code, body.get("scimType")
