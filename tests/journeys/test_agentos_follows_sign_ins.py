"""An AgentOS with the verifier refuses the tokens of a sign-in that has ended."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from issuer.sign_in.sessions import ProviderProof
from issuer.trusted_issuers import TrustedIssuerFields
from tests.agentos.adapter.adapted import AppSettings, running_apps
from tests.agentos.releases import AGNO_3_1
from tests.agentos.running import AgentOSServer
from tests.builders import Credentials
from tests.drivers import TokenAnswer
from tests.journeys.running_issuer import RunningIssuer, wait_until
from tests.journeys.signing_in import CALLBACK, WebPerson, token_request
from tests.sign_in.authorizing import BROWSER, GRANTS
from tests.sign_in.signals import DISABLED, LOGOUT, REVOCATION
from tests.trusting import OtherIssuer

WITHIN = 10
"""Seconds (docs/how-to/connect-an-agentos.md)."""
pytestmark = pytest.mark.slow


@dataclass
class SignedInTo:
    """A person who has signed in to `client`, the code that it got, and the answer for it."""

    issuer: RunningIssuer
    person: WebPerson
    client: Credentials
    code: str
    answer: TokenAnswer

    @classmethod
    def by_pages(cls, issuer: RunningIssuer, name: str) -> "SignedInTo":
        issuer.deployment.user(name, ["reader"], id=f"usr_{name}")
        client = issuer.deployment.client(
            f"app-{name}", grant_types=GRANTS, redirect_uris=[CALLBACK], user_rights="all"
        )
        person = WebPerson(name)
        code = person.code(issuer.url, client, scope="openid agents:read")
        return cls(issuer, person, client, code, redeem(issuer, client, code))

    @property
    def user_id(self) -> str:
        return f"usr_{self.person.username}"


def redeem(issuer: RunningIssuer, client: Credentials, code: str) -> TokenAnswer:
    return issuer.token_endpoint.post(
        data=token_request(code), auth=(client.client_id, client.client_secret)
    )


def use_the_code_again(signed_in: SignedInTo) -> None:
    assert redeem(signed_in.issuer, signed_in.client, signed_in.code).error == "invalid_grant"


def use_an_old_refresh_token(signed_in: SignedInTo) -> None:
    endpoint, first = signed_in.issuer.token_endpoint, signed_in.answer.refresh_token
    assert endpoint.refresh(signed_in.client, first).status == 200
    assert endpoint.refresh(signed_in.client, first).error == "invalid_grant"


def sign_out(signed_in: SignedInTo) -> None:
    """By the application (RP-initiated logout)."""
    url = f"{signed_in.issuer.url}/oauth2/logout"
    hint = {"id_token_hint": signed_in.answer.body["id_token"]}
    left = signed_in.person.browser.get(url, params=hint)
    assert left.headers["location"].endswith("/sign-out")


def withdraw_the_consent(signed_in: SignedInTo) -> None:
    with signed_in.issuer.deployment.changing() as work:
        work.consents.withdraw(signed_in.user_id, signed_in.client.client_id)


def end_the_session(signed_in: SignedInTo) -> None:
    with signed_in.issuer.deployment.changing() as work:
        (session,) = work.sessions.of_user(signed_in.user_id)
        work.sessions.end(signed_in.user_id, session.id)


def disable_the_user(signed_in: SignedInTo) -> None:
    with signed_in.issuer.deployment.changing() as work:
        work.users.update(signed_in.user_id, {"disabled": True})


def sign_out_elsewhere(signed_in: SignedInTo) -> None:
    """At a trusted issuer, with whose account the session went on (back-channel logout)."""
    token = signed_at(signed_in, "company", "logout+jwt", events={LOGOUT: {}})
    send_until_accepted(signed_in, "backchannel-logout", data={"logout_token": token})


def leave_elsewhere(signed_in: SignedInTo) -> None:
    """The company disables the account (RISC), and says so by push (RFC 8935)."""
    about = {"format": "opaque", "id": "there"}
    events = {DISABLED: {"subject": about}}
    token = signed_at(signed_in, "leaving", "secevent+jwt", events=events)
    headers = {"Content-Type": "application/secevent+jwt"}
    send_until_accepted(signed_in, "security-events", content=token, headers=headers)


def universal_logout(signed_in: SignedInTo) -> None:
    """By Okta."""
    url = f"{signed_in.issuer.url}{REVOCATION}"
    token = signed_at(signed_in, "okta", "global-token-revocation+jwt", aud=url)
    body = {"sub_id": {"format": "opaque", "id": "there"}}
    headers = {"Authorization": f"Bearer {token}"}
    send_until_accepted(signed_in, "global-token-revocation", json=body, headers=headers)


def signed_at(signed_in: SignedInTo, name: str, typ: str, **claims: Any) -> str:
    """A token of a trusted issuer of that name, with whose account the session goes on."""
    other = OtherIssuer.new(f"https://{name}.example", "ES256")
    members = {
        "id": name,
        "issuer": other.issuer,
        "algorithms": [other.alg],
        "keys": {"jwks": other.jwks},
        "kinds": ["people"],
        "sign_in": {"client_id": "issuer"},
    }
    with signed_in.issuer.deployment.changing() as work:
        work.trusted_issuers.create(TrustedIssuerFields.read(members))
        grantor = work.authority.grantor
        linked = work.identities.link(signed_in.user_id, name, "there", "", grantor)
        (session,) = work.sessions.of_user(signed_in.user_id)
    services = signed_in.issuer.deployment.services
    user = services.tokens.directory.load_user(signed_in.user_id)
    proof = ProviderProof(linked.id, services.clock(), None)
    services.people.sessions.begin(user, (), BROWSER, renewing=session, provider=proof)
    now = services.clock().timestamp()
    claims = {"sub": "there", "aud": "issuer", "jti": "1", "exp": int(now) + 300, **claims}
    return other.token(now, {"typ": typ}, **claims)


def send_until_accepted(signed_in: SignedInTo, endpoint: str, **request: Any) -> None:
    """As soon as the server has seen that the issuer is trusted."""

    def is_accepted() -> bool:
        return signed_in.issuer.http.post(f"/oauth2/{endpoint}", **request).is_success

    wait_until(is_accepted, WITHIN, "the signal is accepted")


ENDS: list[Callable[[SignedInTo], None]] = [
    use_the_code_again,
    use_an_old_refresh_token,
    sign_out,
    sign_out_elsewhere,
    leave_elsewhere,
    universal_logout,
    withdraw_the_consent,
    end_the_session,
    disable_the_user,
]


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningIssuer]:
    with RunningIssuer(tmp_path_factory.mktemp("issuer")) as issuer:
        issuer.deployment.role("reader", ["agents:read"])
        yield issuer


@pytest.fixture(scope="module")
def agent_os(
    issuer: RunningIssuer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AgentOSServer]:
    folder: Path = tmp_path_factory.mktemp("agent-os")
    with running_apps(AGNO_3_1, folder, {"app": AppSettings("managed", issuer)}) as apps:
        yield apps["app"].os


@pytest.mark.parametrize("end", ENDS)
def test_what_ends_a_sign_in_ends_its_tokens_within_10_s(
    issuer: RunningIssuer, agent_os: AgentOSServer, end: Callable[[SignedInTo], None]
):
    name = end.__name__.replace("_", "-")
    ended = SignedInTo.by_pages(issuer, name)
    other = SignedInTo.by_pages(issuer, f"not-{name}")

    def is_accepted(signed_in: SignedInTo) -> bool:
        status = agent_os.get("/agents", signed_in.answer.token).status_code
        assert status in {200, 401}, status
        return status == 200

    assert is_accepted(ended)
    end(ended)
    wait_until(lambda: not is_accepted(ended), WITHIN, "the token is refused")
    assert is_accepted(other)
