"""A device on which nobody can sign in, and its user in a browser elsewhere (RFC 8628)."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx

from issuer.audit import Actor
from issuer.sign_in.authorization_request import ConsentNeeded, NextStep, Redirection
from tests.builders import Credentials, Deployment
from tests.drivers import TokenAnswer, TokenDriver
from tests.sign_in.authorizing import BROWSER, Person

GRANT = "urn:ietf:params:oauth:grant-type:device_code"
GRANTS = [GRANT, "refresh_token"]


@dataclass
class DeviceClient:
    """A client on a device. `asks` before it polls."""

    deployment: Deployment
    endpoint: TokenDriver
    client: Credentials
    codes: dict[str, Any] = field(default_factory=dict)

    def request(self, **parameters: str) -> httpx.Response:
        """The answer of the device authorization endpoint."""
        secret = self.client.client_secret
        return self.endpoint.http.post(
            "/oauth2/device_authorization",
            data={"client_id": self.client.client_id, **parameters},
            auth=(self.client.client_id, secret) if secret else None,
        )

    def asks(self, **parameters: str) -> dict[str, Any]:
        answer = self.request(**parameters)
        assert answer.status_code == httpx.codes.OK, answer.text
        self.codes = answer.json()
        return self.codes

    def polls(self, device_code: str | None = None, **more: str) -> TokenAnswer:
        code = device_code or self.codes["device_code"]
        return self.post({"grant_type": GRANT, "device_code": code, **more})

    def refresh(self, refresh_token: str) -> TokenAnswer:
        return self.post({"grant_type": "refresh_token", "refresh_token": refresh_token})

    def post(self, form: dict[str, str]) -> TokenAnswer:
        if self.client.client_secret:
            auth = (self.client.client_id, self.client.client_secret)
            return self.endpoint.post(data=form, auth=auth)
        return self.endpoint.post(data={"client_id": self.client.client_id, **form})

    def waits(self, seconds: float = 5) -> None:
        """Between two requests."""
        self.deployment.wait(timedelta(seconds=seconds))


def asked(person: Person, device: DeviceClient) -> NextStep:
    """What the person is asked who enters the code of the device."""
    people = person.deployment.services.people
    request = people.device_codes.authorization_request(device.codes["user_code"], person.user_id)
    return people.flow.next_step(request, person.session, BROWSER)


def allows(person: Person, device: DeviceClient, actor: Actor = BROWSER) -> None:
    """The person enters the code, and allows what is asked."""
    step = asked(person, device)
    assert isinstance(step, ConsentNeeded), step
    done = person.deployment.services.people.flow.allow(step, person.session, actor)
    assert isinstance(done, Redirection), done
    assert done.url.endswith("/device?answer=allowed")


def denies(person: Person, device: DeviceClient) -> None:
    step = asked(person, device)
    assert isinstance(step, ConsentNeeded), step
    person.deployment.services.people.flow.deny(step.request, person.session, BROWSER)
