"""A company vouches for a person without a browser, and one AgentOS uses another for them."""

from collections.abc import Iterator

import httpx
import pytest

from tests.client.exchanging_issuer import claims_in
from tests.journeys.running_issuer import RunningIssuer
from tests.journeys.test_acting_for_people import AGENTS, TwoAgentOS, two_agent_os
from tests.journeys.test_enterprise_managed_authorization import Companies, companies
from tests.oauth.exchanging import EXCHANGE
from tests.people_of_others import JWT_BEARER

pytestmark = pytest.mark.slow

FIRST = "https://os-1.example/mcp"


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Companies]:
    folders = [tmp_path_factory.mktemp(name) for name in ("idp", "issuer")]
    with RunningIssuer(folders[0]) as idp, RunningIssuer(folders[1]) as issuer:
        issuer.deployment.audience("os-1", resources=[FIRST])
        issuer.deployment.audience("os-2")
        found = companies(idp, issuer, FIRST)
        with issuer.deployment.changing() as work:
            work.clients.update("assistant", {"audiences": ["os-1"]})
        yield found


@pytest.fixture(scope="module")
def both(people: Companies, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TwoAgentOS]:
    agents = people.issuer.deployment.client(
        AGENTS,
        grant_types=["client_credentials", EXCHANGE],
        audiences=["os-2"],
        scopes=["config:read", "agents:read"],
        user_rights="all",
        may_act=[{"from": "os-1", "to": "os-2"}],
    )
    with two_agent_os(people.issuer.url, agents, tmp_path_factory.mktemp("servers")) as both:
        yield both


def test_the_second_agentos_sees_the_person_and_who_acts(people: Companies, both: TwoAgentOS):
    """By the rule of an administrator, since no page could ask; until the person stops it."""

    def token() -> str:
        answer = people.issuer.token_endpoint.post(
            data={"grant_type": JWT_BEARER, "assertion": people.id_jag(FIRST)},
            auth=(people.here.client_id, people.here.client_secret),
        )
        assert answer.status == httpx.codes.OK, answer.body
        return answer.token

    asked = both.ask(token(), "sync")
    assert asked.json()["content"] == people.alice
    claims = claims_in(both.tokens_seen()[-1])
    assert (claims["sub"], claims["aud"], claims["act"]) == (
        people.alice,
        "os-2",
        {"sub": AGENTS},
    )
    with people.issuer.deployment.changing() as work:
        work.delegations.end(people.alice, AGENTS)
    seen = len(both.tokens_seen())
    assert "invalid_target" in both.ask(token(), "sync").json()["content"]
    assert len(both.tokens_seen()) == seen
