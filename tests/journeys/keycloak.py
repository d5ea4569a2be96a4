"""A Keycloak with a realm of a company, as in docs/how-to/sign-in-with-accounts-elsewhere.md."""

import json
import os
import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import STDOUT, Popen
from typing import Any

import httpx
import pytest

from benchmarks.peers.keycloak import HOME, Keycloak
from benchmarks.peers.peer import PeerUnavailable
from tests.journeys.running_issuer import (
    end_with_the_tests,
    polls,
    process_environment,
    reserved_port,
)
from tests.sign_in.signals import CREDENTIAL_CHANGE, SESSION_REVOKED

COMPANY = "company"
_ADMIN = "administrator"
_SECONDS_TO_START = 900
# Security events also to loopback, and soon.
_SIGNALS = ("allow-insecure-push-targets=true", "outbox-drainer-interval=500ms")


@dataclass(frozen=True)
class CompanyKeycloak:
    """With one person, who is in the group `staff`."""

    url: str
    username: str = "grace"
    password: str = field(default="correct horse battery staple", repr=False)
    client_secret: str = field(default="secret-of-the-issuer-at-keycloak", repr=False)

    @property
    def issuer(self) -> str:
        return f"{self.url}/realms/{COMPANY}"

    def sign_out_everywhere(self) -> None:
        """An administrator ends all sessions of the person."""
        self._admin("POST", f"users/{self._person['id']}/logout")

    def push_security_events(self, issuer_url: str) -> None:
        """An administrator makes a stream to the issuer (RFC 8935)."""
        delivery = {
            "method": "urn:ietf:rfc:8935",
            "endpoint_url": f"{issuer_url}/oauth2/security-events",
        }
        stream = {"delivery": delivery, "events_requested": [SESSION_REVOKED, CREDENTIAL_CHANGE]}
        self._admin("POST", "ssf/clients/agentos-issuer/stream", stream)

    def reset_password(self) -> None:
        """An administrator sets the password of the person, to the same one."""
        credential = {"type": "password", "value": self.password, "temporary": False}
        self._admin("PUT", f"users/{self._person['id']}/reset-password", credential)

    def change(self, **members: object) -> None:
        """An administrator changes the person."""
        self._admin("PUT", f"users/{self._person['id']}", {**self._person, **members})

    def remove_from_groups(self) -> None:
        """An administrator takes the person out of every group."""
        path = f"users/{self._person['id']}/groups"
        for group in self._admin("GET", path).json():
            self._admin("DELETE", f"{path}/{group['id']}")

    @property
    def _person(self) -> dict[str, Any]:
        (person,) = self._admin("GET", f"users?username={self.username}").json()
        return dict(person)

    def _admin(self, method: str, path: str, body: object = None) -> httpx.Response:
        form = {"grant_type": "password", "client_id": "admin-cli"}
        form |= {"username": _ADMIN, "password": self.password}
        answer = httpx.post(f"{self.url}/realms/master/protocol/openid-connect/token", data=form)
        headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
        url = f"{self.url}/admin/realms/{COMPANY}/{path}"
        answer = httpx.request(method, url, headers=headers, json=body)
        return answer.raise_for_status()


@contextmanager
def running_keycloak(folder: Path, issuer_url: str) -> Iterator[CompanyKeycloak]:
    """In its development mode, which keeps its data in the folder; skips where there is none."""
    try:
        Keycloak().fetch()
    except PeerUnavailable as error:
        pytest.skip(f"There is no Keycloak: {error}")
    home = shutil.copytree(HOME, folder / "keycloak")
    imported = home / "data" / "import"
    imported.mkdir(parents=True, exist_ok=True)
    with reserved_port() as port, reserved_port() as management:
        keycloak = CompanyKeycloak(f"http://127.0.0.1:{port}")
        imported.joinpath("realm.json").write_text(json.dumps(realm(keycloak, issuer_url)))
        command = ["sh", home / "bin" / "kc.sh", "start-dev", "--import-realm"]
        command += ["--http-host=127.0.0.1", f"--http-port={port}"]
        command += [f"--http-management-port={management}", "--features=ssf"]
        command += [f"--spi-ssf-transmitter--default--{each}" for each in _SIGNALS]
        environment = {
            **process_environment(),
            "KC_BOOTSTRAP_ADMIN_USERNAME": _ADMIN,
            "KC_BOOTSTRAP_ADMIN_PASSWORD": keycloak.password,
        }
        log = folder / "keycloak.log"
        with log.open("wb") as output:
            process = Popen(
                command,
                stdout=output,
                stderr=STDOUT,
                env=environment,
                preexec_fn=end_with_the_tests,  # noqa: PLW1509 - one system call, no lock
                start_new_session=True,
            )
        try:
            _wait(keycloak, process, log)
            yield keycloak
        finally:
            os.killpg(process.pid, signal.SIGKILL)  # the shell may wait for a virtual machine
            process.wait()


def _wait(keycloak: CompanyKeycloak, process: Popen[bytes], log: Path) -> None:
    for _ in polls(_SECONDS_TO_START):
        if process.poll() is not None:
            break
        with suppress(httpx.TransportError):
            url = f"{keycloak.issuer}/.well-known/openid-configuration"
            if httpx.get(url).status_code == httpx.codes.OK:
                return
    raise AssertionError(f"Keycloak did not start:\n{log.read_text(errors='replace')[-5_000:]}")


def realm(keycloak: CompanyKeycloak, issuer_url: str) -> dict[str, Any]:
    groups = {
        "name": "groups",
        "protocol": "openid-connect",
        "protocolMapper": "oidc-group-membership-mapper",
        "config": {"claim.name": "groups", "full.path": "false", "id.token.claim": "true"},
    }
    client = {
        "clientId": "agentos-issuer",
        "secret": keycloak.client_secret,
        "publicClient": False,
        "redirectUris": [f"{issuer_url}/sign-in/callback/{COMPANY}"],
        "attributes": {
            "pkce.code.challenge.method": "S256",
            "backchannel.logout.url": f"{issuer_url}/oauth2/backchannel-logout",
            "backchannel.logout.session.required": "true",
            "ssf.enabled": "true",
            "ssf.defaultSubjects": "ALL",
            "ssf.streamAudience": issuer_url,
            "ssf.validPushUrls": f"{issuer_url}/*",
        },
        "protocolMappers": [groups],
    }
    person = {
        "username": keycloak.username,
        "enabled": True,
        "firstName": "Grace",
        "lastName": "Example",
        "email": "grace@company.example",
        "emailVerified": True,
        "groups": ["/staff"],
        "credentials": [{"type": "password", "value": keycloak.password}],
    }
    return {
        "realm": COMPANY,
        "enabled": True,
        "sslRequired": "none",
        "attributes": {"ssf.transmitterEnabled": "true"},
        "eventsEnabled": True,
        "adminEventsEnabled": True,
        "eventsListeners": ["jboss-logging", "ssf-events"],
        "groups": [{"name": "staff"}],
        "users": [person],
        "clients": [client],
    }
