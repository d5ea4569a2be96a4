"""What a provider sends about people, and a person with all that a signal must end."""

from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from typing import Any

import httpx

from issuer.sign_in.sessions import ProviderProof
from tests.builders import URL, Deployment
from tests.drivers import TokenDriver
from tests.oauth.exchanging import EXCHANGE, ID_JAG, ID_TOKEN, exchange
from tests.revocations.feed import Feed
from tests.sign_in.authorizing import CALLBACK, GRANTS, App, Person
from tests.sign_in.authorizing import sign_in as begin_session
from tests.sign_in.devices import GRANTS as DEVICE_GRANTS
from tests.sign_in.devices import DeviceClient, allows
from tests.sign_in.fake_provider import COMPANY, SUBJECT, FakeProvider

LOGOUT = "http://schemas.openid.net/event/backchannel-logout"
SECEVENT = "https://schemas.openid.net/secevent"
SESSION_REVOKED = f"{SECEVENT}/caep/event-type/session-revoked"
CREDENTIAL_CHANGE = f"{SECEVENT}/caep/event-type/credential-change"
DISABLED = f"{SECEVENT}/risc/event-type/account-disabled"
ENABLED = f"{SECEVENT}/risc/event-type/account-enabled"
PURGED = f"{SECEVENT}/risc/event-type/account-purged"
CHANGED = f"{SECEVENT}/risc/event-type/identifier-changed"
VERIFICATION = f"{SECEVENT}/ssf/event-type/verification"
ALICE = {"format": "iss_sub", "iss": COMPANY, "sub": SUBJECT}
ADDRESS = "alice@company.example"
REVOCATION = "/oauth2/global-token-revocation"
SAAS = "https://login.saas.example"
_numbers = count(1)


@dataclass(frozen=True)
class Signaller:
    """The provider as it sends signals. None leaves a claim out."""

    provider: FakeProvider

    def security_event(self, event: str = SESSION_REVOKED, **changed: Any) -> str:
        """A security event token; `header` and `details` of the event may be given, too."""
        header = changed.pop("header", {"typ": "secevent+jwt"})
        details = changed.pop("details", {})
        claims = {
            "jti": f"set-{next(_numbers)}",
            "sub": None,
            "exp": None,
            "sub_id": ALICE,
            "events": {event: details},
            **changed,
        }
        return self._signed(header, claims)

    def bearer(self, **changed: Any) -> str:
        """What authenticates a global token revocation, as Okta signs it."""
        header = changed.pop("header", {"typ": "global-token-revocation+jwt"})
        claims = {"jti": f"gtr-{next(_numbers)}", "sub": "issuer", "aud": URL + REVOCATION}
        return self._signed(header, {**claims, **changed})

    def logout_token(self, **changed: Any) -> str:
        header = changed.pop("header", {"typ": "logout+jwt"})
        claims = {"jti": f"logout-{next(_numbers)}", "sub": SUBJECT, "events": {LOGOUT: {}}}
        return self._signed(header, {**claims, **changed})

    def sends(self, token: str, **headers: str) -> httpx.Response:
        """Push delivery (RFC 8935 §2.1)."""
        sent = {"Content-Type": "application/secevent+jwt", **headers}
        return self._http.post("/oauth2/security-events", content=token, headers=sent)

    def revokes(self, token: str, **body: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}"}
        return self._http.post(REVOCATION, json=body, headers=headers)

    def logs_out(self, token: str) -> httpx.Response:
        return self._http.post("/oauth2/backchannel-logout", data={"logout_token": token})

    def frames(self, **query: str) -> httpx.Response:
        """The browser of a person loads the page in a frame, without cookies."""
        self._http.cookies.clear()
        return self._http.get("/oauth2/frontchannel-logout", params=query)

    def _signed(self, header: dict[str, Any], claims: dict[str, Any]) -> str:
        self.provider.header = header
        return self.provider.token(**claims)

    @property
    def _http(self) -> httpx.Client:
        return self.provider.deployment.http


@dataclass
class SignedInEverywhere:
    """Alice, with everything that lets her in or acts for her."""

    deployment: Deployment
    app: App
    device: DeviceClient
    here: Person
    """In a session that began with a password."""
    there: Person
    """In one that began at the provider."""
    access_token: str
    exchanged: str
    refresh_token: str
    id_token: str
    code: str
    waiting: list[str] = field(default_factory=list)

    @classmethod
    def at(
        cls, deployment: Deployment, endpoint: TokenDriver, user_id: str, sid: str = "there-1"
    ) -> "SignedInEverywhere":
        deployment.audience("archive")
        acts = [{"from": "my-os", "to": "archive"}]
        external = {"issuer": SAAS, "resource": f"{SAAS}/files", "client_id": "a", "scopes": ["r"]}
        client = deployment.client(
            "everywhere",
            grant_types=[*GRANTS, EXCHANGE],
            audiences=["my-os", "archive"],
            redirect_uris=[CALLBACK],
            user_rights="all",
            may_act=acts,
            external_audiences=[external],
        )
        app = App(endpoint, client, more={"resource": "my-os"})
        device_client = deployment.client(
            "cli", grant_types=DEVICE_GRANTS, token_endpoint_auth_method="none", user_rights="all"
        )
        device = DeviceClient(deployment, endpoint, device_client)
        here, there = begin_session(deployment, user_id), session_at(deployment, user_id, sid)
        answer = there.signs_in_to(app, scope="openid offline_access agents:run")
        exchanged = exchange(endpoint, client, answer.token, audience="archive")
        assert exchanged.status == httpx.codes.OK, exchanged.body
        device.asks(scope="agents:run")
        allows(there, device)
        device.waits()
        signed_in = cls(
            deployment,
            app,
            device,
            here,
            there,
            answer.token,
            exchanged.token,
            answer.refresh_token,
            answer.body["id_token"],
            there.allows(app, scope="openid agents:run"),
        )
        assert signed_in.id_jag() == httpx.codes.OK
        return signed_in

    def id_jag(self) -> int:
        """The status of an ID-JAG for her ID token."""
        answer = exchange(
            self.app.endpoint,
            self.app.client,
            self.id_token,
            requested_token_type=ID_JAG,
            subject_token_type=ID_TOKEN,
            audience=SAAS,
            resource=f"{SAAS}/files",
        )
        return answer.status

    def what_goes_on(self) -> set[str]:
        """What still works. A code that works is used up."""
        sessions = self.deployment.services.people.sessions
        self.deployment.wait(timedelta(seconds=2))
        feed = Feed.of(self.deployment.http)
        tried = {
            "session": sessions.find(self.here.cookie) is not None,
            "session there": sessions.find(self.there.cookie) is not None,
            "access token": not feed.refuses(self.access_token),
            "exchanged token": not feed.refuses(self.exchanged),
            "code": self.app.redeem(self.code).status == httpx.codes.OK,
            "device code": self.device.polls().status == httpx.codes.OK,
            "ID-JAG": self.id_jag() == httpx.codes.OK,
            "refresh token": self.app.refresh(self.refresh_token).status == httpx.codes.OK,
        }
        return {name for name, works in tried.items() if works}


def session_at(deployment: Deployment, user_id: str, sid: str | None) -> Person:
    """A session that began at the company, in one with this `sid` there."""
    with deployment.services.administration.reading() as work:
        identity = next(e for e in work.identities.of_user(user_id) if e.issuer == "company")
    proof = ProviderProof(identity.id, deployment.clock(), sid)
    return begin_session(deployment, user_id, provider=proof)
