"""A company's issuer vouches for a person, and MCP clients reach an AgentOS without a browser.

Both issuers are ours: the one signs ID-JAGs by token exchange, the other takes them as a grant.
"""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from issuer.trusted_issuers import TrustedIssuerFields
from tests.agentos.releases import AGNO_3_1
from tests.builders import Credentials
from tests.journeys.mcp_clients.python_client import CLIENTS
from tests.journeys.running_issuer import RunningIssuer, polls
from tests.journeys.test_mcp_clients import PONG, PYTHON, McpEndpoint, running_mcp_server
from tests.oauth.exchanging import ACCESS_TOKEN, EXCHANGE, ID_JAG
from tests.people_of_others import JWT_BEARER

pytestmark = pytest.mark.slow

SCOPES = ["agents:run", "agents:read", "config:read"]
MCP = "https://os.example/mcp"
WITHIN = 10.0  # seconds


@dataclass(frozen=True)
class Companies:
    """`idp` is where alice has her account, `issuer` trusts it; a client of each."""

    idp: RunningIssuer
    issuer: RunningIssuer
    at_idp: Credentials
    here: Credentials
    alice: str

    def access_token(self) -> str:
        """Of alice at the company, to the client there."""
        return self.idp.token_endpoint.password(self.at_idp, "alice").token

    def id_jag(self, resource: str) -> str:
        answer = self.idp.token_endpoint.post(
            data={
                "grant_type": EXCHANGE,
                "requested_token_type": ID_JAG,
                "subject_token_type": ACCESS_TOKEN,
                "subject_token": self.access_token(),
                "audience": self.issuer.url,
                "resource": resource,
            },
            auth=(self.at_idp.client_id, self.at_idp.client_secret),
        )
        assert answer.status == httpx.codes.OK, answer.body
        return answer.token

    def task(self) -> dict[str, Any]:
        """What a client must know."""
        return {
            "issuer": self.issuer.url,
            "client_id": self.here.client_id,
            "client_secret": self.here.client_secret,
            "idp": {
                "token_endpoint": f"{self.idp.url}/oauth2/token",
                "client_id": self.at_idp.client_id,
                "client_secret": self.at_idp.client_secret,
                "access_token": self.access_token(),
            },
        }


def companies(idp: RunningIssuer, issuer: RunningIssuer, resource: str) -> Companies:
    alice = idp.deployment.user("alice", email="alice@company.example", email_verified=True)
    external = {
        "issuer": issuer.url,
        "resource": resource,
        "client_id": "assistant",
        "scopes": SCOPES,
    }
    at_idp = idp.deployment.client(
        "assistant-idp", grant_types=["password", EXCHANGE], external_audiences=[external]
    )
    deployment = issuer.deployment
    deployment.role("runner", SCOPES)
    here = deployment.client("assistant", grant_types=[JWT_BEARER], user_rights="all")
    members = {
        "id": "company",
        "issuer": idp.url,
        "keys": {"discovery": True},
        "allow_private_addresses": True,
        "kinds": ["people"],
        "sign_in": {"client_id": "issuer", "id_jag": True},
    }
    user_id = deployment.user("alice", password=None, roles=["runner"])
    with deployment.changing() as work:
        work.trusted_issuers.create(TrustedIssuerFields.read(members))
        grantor = work.authority.grantor
        work.identities.link(user_id, "company", alice, "Alice", grantor)
    return Companies(idp, issuer, at_idp, here, user_id)


@dataclass(frozen=True)
class Chain:
    """The MCP endpoint of an AgentOS that follows the issuer."""

    mcp: McpEndpoint
    people: Companies


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chain]:
    folders = [tmp_path_factory.mktemp(name) for name in ("idp", "issuer", "agentos")]
    with (
        RunningIssuer(folders[0]) as idp,
        RunningIssuer(folders[1]) as issuer,
        running_mcp_server(AGNO_3_1, issuer, folders[2]) as url,
    ):
        mcp = McpEndpoint(f"{url}/mcp", issuer, folders[2])
        yield Chain(mcp, companies(idp, issuer, mcp.url))


@pytest.mark.parametrize("client", [name for name in CLIENTS if name.endswith("-id-jag")])
def test_a_client_calls_a_tool_for_a_person_without_a_browser(chain: Chain, client: str):
    task = chain.people.task()
    assert PONG in chain.mcp.result([*PYTHON, client], **task)
    assert not (chain.mcp.workdir / "browser.log").exists()


def test_the_agentos_refuses_the_token_once_the_account_is_unlinked(chain: Chain):
    """Within ten seconds, as whatever ends a person."""
    people, base = chain.people, chain.mcp.url.removesuffix("/mcp")
    answer = people.issuer.token_endpoint.post(
        data={"grant_type": JWT_BEARER, "assertion": people.id_jag(chain.mcp.url)},
        auth=(people.here.client_id, people.here.client_secret),
    )
    assert answer.status == httpx.codes.OK, answer.body

    def status() -> int:
        headers = {"Authorization": f"Bearer {answer.token}"}
        return httpx.get(f"{base}/agents", headers=headers, trust_env=False).status_code

    assert status() == httpx.codes.OK
    with people.issuer.deployment.changing() as work:
        (identity,) = work.identities.of_user(people.alice)
        work.identities.unlink(people.alice, identity.id)
    began = time.monotonic()
    assert any(status() == httpx.codes.UNAUTHORIZED for _ in polls(2 * WITHIN))
    assert time.monotonic() - began < WITHIN


def test_of_64_uses_on_two_servers_one_gets_a_token(
    issuer: RunningIssuer, tmp_path_factory: pytest.TempPathFactory
):
    """Whichever database, and with keys that neither server had before."""
    with RunningIssuer(tmp_path_factory.mktemp("idp")) as idp, issuer.replica() as replica:
        with issuer.deployment.changing() as work:
            work.audiences.update("my-os", {"resources": [MCP]})
        people = companies(idp, issuer, MCP)
        assertion = people.id_jag(MCP)

        def ask(number: int) -> int:
            return (
                [issuer, replica][number % 2]
                .token_endpoint.post(
                    data={"grant_type": JWT_BEARER, "assertion": assertion},
                    auth=(people.here.client_id, people.here.client_secret),
                )
                .status
            )

        with ThreadPoolExecutor(16) as pool:
            answers = [*pool.map(ask, range(64))]
    assert sorted(answers) == [200] + [400] * 63
