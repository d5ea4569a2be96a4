"""A person asks an AgentOS, whose agents use a second AgentOS for this person."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from issuer.roles import Assignment
from tests.agentos.releases import AGNO_3_1
from tests.agentos.running import AgentOSServer, bearer, running_agent_os
from tests.builders import PASSWORD, Credentials
from tests.chromium import in_chromium, running_chromium
from tests.client.exchanging_issuer import claims_in
from tests.client.programs import second_agent_os
from tests.journeys.running_issuer import REPOSITORY, RunningIssuer, wait_until
from tests.journeys.signing_in import CALLBACK, authorization_url, returned, token_request

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = in_chromium

FIRST = Path(__file__).with_name("acting_first.py")
AGENTS = "agents-of-os-1"
WITHIN = 10
"""Seconds (docs/how-to/act-on-behalf.md)."""


@dataclass
class TwoAgentOS:
    """The first one has the agents that act, the second one is called by them."""

    first: AgentOSServer
    second: str

    def ask(self, token: str, agent_id: str = "mcp-afresh") -> httpx.Response:
        return self.first.run(token, agent_id)

    def tokens_seen(self) -> list[str]:
        """By the second one, the newest last."""
        return list(httpx.get(f"{self.second}/seen", trust_env=False).json())

    def accepts(self, token: str) -> bool:
        """Whether the second one runs its agent for it."""
        form = {"message": "ping", "stream": "false"}
        answer = httpx.post(
            f"{self.second}/agents/web/runs", data=form, headers=bearer(token), trust_env=False
        )
        assert answer.status_code in {200, 401}, answer.text
        return answer.status_code == httpx.codes.OK


@dataclass
class PersonInApp:
    """A person who has signed in to an application in Chromium."""

    name: str
    app: Credentials
    token: str
    consent: str

    @property
    def user_id(self) -> str:
        return f"usr_{self.name}"


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningIssuer]:
    with RunningIssuer(tmp_path_factory.mktemp("issuer")) as issuer:
        deployment = issuer.deployment
        for audience in ("os-1", "os-2"):
            deployment.audience(audience)
        deployment.role("at-the-first", ["agents:run", "teams:run"])
        deployment.role("at-the-second", ["agents:web:run", "sessions:read"])
        yield issuer


@pytest.fixture(scope="module")
def agents(issuer: RunningIssuer) -> Credentials:
    """Its own scopes are for what agno reads of a `RemoteAgent` when it starts."""
    return issuer.deployment.client(
        AGENTS,
        grant_types=["client_credentials", "urn:ietf:params:oauth:grant-type:token-exchange"],
        audiences=["os-2"],
        scopes=["config:read", "agents:read"],
        user_rights="all",
        may_act=[{"from": "os-1", "to": "os-2"}],
    )


@pytest.fixture(scope="module")
def both(
    issuer: RunningIssuer, agents: Credentials, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[TwoAgentOS]:
    with two_agent_os(issuer.url, agents, tmp_path_factory.mktemp("servers")) as both:
        yield both


@contextmanager
def two_agent_os(issuer: str, agents: Credentials, folder: Path) -> Iterator[TwoAgentOS]:
    with (
        second_agent_os(AGNO_3_1, folder / "second", issuer) as second,
        running_agent_os(
            AGNO_3_1,
            folder,
            script=FIRST,
            arguments=[issuer, agents.client_secret, second.url],
            environment={"PYTHONPATH": str(REPOSITORY)},
        ) as first,
    ):
        yield TwoAgentOS(first, second.url)


@pytest.fixture(scope="module")
def chromium() -> Iterator["Browser"]:
    with running_chromium() as browser:
        yield browser


def sign_in(chromium: "Browser", issuer: RunningIssuer, name: str) -> PersonInApp:
    """In a browser of their own, to an application of their own."""
    roles = {"os-1": "at-the-first", "os-2": "at-the-second"}
    user_id = issuer.deployment.user(name, id=f"usr_{name}")
    assign(issuer, user_id, roles)
    app = issuer.deployment.client(
        f"app-{name}",
        grant_types=["authorization_code", "refresh_token"],
        audiences=["os-1"],
        redirect_uris=[CALLBACK],
        user_rights="all",
    )
    context = chromium.new_context(java_script_enabled=False)
    page = context.new_page()
    page.route(f"{CALLBACK}*", lambda route: route.fulfill(body="PersonInApp in."))
    page.goto(authorization_url(issuer.url, app, resource="os-1", scope="openid"))
    page.get_by_label("User name").fill(name)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    consent = page.locator("main").inner_text()
    page.get_by_role("button", name="Allow").click()
    page.wait_for_url(f"{CALLBACK}*")
    code = returned(page.url)["code"]
    context.close()
    answer = issuer.token_endpoint.post(
        data=token_request(code), auth=(app.client_id, app.client_secret)
    )
    return PersonInApp(name, app, answer.token, consent)


def assign(issuer: RunningIssuer, user_id: str, roles: dict[str, str]) -> None:
    with issuer.deployment.changing() as work:
        for audience, role in roles.items():
            work.assignments.assign(user_id, Assignment(role=role, audience=audience))


def test_the_second_sees_the_person_and_who_acts_for_them(
    chromium: "Browser", issuer: RunningIssuer, both: TwoAgentOS
):
    alice = sign_in(chromium, issuer, "alice")
    assert "os-2" in alice.consent
    for agent_id in ("mcp", "mcp-afresh", "sync", "async", "web", "a2a"):
        answer = both.ask(alice.token, agent_id)
        assert answer.json()["content"] == "usr_alice", agent_id
    claims = claims_in(both.tokens_seen()[-1])
    assert (claims["sub"], claims["aud"], claims["client_id"]) == ("usr_alice", "os-2", AGENTS)
    assert claims["act"] == {"sub": AGENTS}
    assert claims["scopes"] == ["agents:web:run"], "only what she holds at both"
    assert claims["exp"] <= claims_in(alice.token)["exp"]
    assert alice.token not in both.tokens_seen()


def end_the_session(issuer: RunningIssuer, ended: PersonInApp) -> None:
    with issuer.deployment.changing() as work:
        (session,) = work.sessions.of_user(ended.user_id)
        work.sessions.end(ended.user_id, session.id)


def withdraw_the_consent(issuer: RunningIssuer, ended: PersonInApp) -> None:
    with issuer.deployment.changing() as work:
        work.consents.withdraw(ended.user_id, ended.app.client_id)


def disable_the_application(issuer: RunningIssuer, ended: PersonInApp) -> None:
    with issuer.deployment.changing() as work:
        work.clients.update(ended.app.client_id, {"disabled": True})


@pytest.mark.parametrize(
    ("end", "action"),
    [
        (end_the_session, "session.ended"),
        (withdraw_the_consent, "consent.withdrawn"),
        (disable_the_application, "client.updated"),
    ],
)
def test_what_ends_the_access_of_the_first_ends_that_of_the_second(
    chromium: "Browser",
    issuer: RunningIssuer,
    both: TwoAgentOS,
    end: Callable[[RunningIssuer, PersonInApp], None],
    action: str,
):
    """Within 10 seconds, and the audit log tells it in order."""
    ended = sign_in(chromium, issuer, end.__name__.replace("_", "-"))
    assert both.ask(ended.token).json()["content"] == ended.user_id
    exchanged = both.tokens_seen()[-1]
    assert both.accepts(exchanged)
    end(issuer, ended)
    wait_until(
        lambda: both.ask(ended.token).status_code == 401 and not both.accepts(exchanged),
        WITHIN,
        "both are refused",
    )
    story = story_of(issuer, ended)
    own = claims_in(ended.token)["jti"]
    assert [each for each in story if each[0] in {"token.issued", action}] == [
        ("token.issued", ended.app.client_id, claims_in(ended.token)["jti"], None),
        ("token.issued", AGENTS, claims_in(exchanged)["jti"], own),
        (action, "test:operator", None, None),
    ]


def story_of(issuer: RunningIssuer, person: PersonInApp) -> list[tuple[str, str, Any, Any]]:
    """The events about the person and their application, the oldest first."""
    token = issuer.token_endpoint.client_credentials(issuer.deployment.admin).token
    answer = issuer.http.get(
        "/admin/v1/audit-events", params={"limit": "500"}, headers=bearer(token)
    )
    return [
        (
            event["action"],
            event["actor"],
            event["details"].get("jti"),
            event["details"].get("subject_token"),
        )
        for event in reversed(answer.json()["items"])
        if event["target"] in {person.user_id, person.app.client_id}
    ]


def test_the_client_of_the_agents_can_be_stopped(
    chromium: "Browser", issuer: RunningIssuer, agents: Credentials, both: TwoAgentOS
):
    """The person goes on without it."""
    bob = sign_in(chromium, issuer, "bob")
    assert both.ask(bob.token).json()["content"] == "usr_bob"
    exchanged = both.tokens_seen()[-1]
    with issuer.deployment.changing() as work:
        work.clients.update(agents.client_id, {"disabled": True})
    wait_until(lambda: not both.accepts(exchanged), WITHIN, "the exchanged token is refused")
    answer = both.ask(bob.token, "sync")
    assert answer.status_code == httpx.codes.OK
    assert "invalid_client" in answer.text
