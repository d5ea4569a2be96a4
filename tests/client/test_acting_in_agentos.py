"""An AgentOS calls another one for the users who call it, in each way that agno has."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agentos.releases import AgnoRelease
from tests.client.exchanging_issuer import ExchangingIssuer
from tests.client.programs import output_of, second_agent_os
from tests.client.test_agno import RELEASES

CLIENT = "agents-of-os-1"
USERS = ["alice", "bob", "carol"]
EACH_FOR_ITSELF = {user: user for user in USERS}


@pytest.fixture
def issuer() -> Iterator[ExchangingIssuer]:
    with ExchangingIssuer() as issuer:
        yield issuer


@pytest.mark.parametrize("release", RELEASES, ids=str)
def test_the_second_sees_the_user_who_asked_the_first(
    issuer: ExchangingIssuer, release: AgnoRelease, tmp_path: Path
):
    with second_agent_os(release, tmp_path / "second", issuer.url) as second:
        results = output_of(release, "acting_program", issuer.url, second.url, cwd=tmp_path)
    tokens = results.pop("tokens")
    for name, says in {
        "mcp, expired": "has expired while this was running",
        "sync, expired": "has expired while this was running",
        "mcp, of a client": "there is no user to act for",
        "sync, of a client": "there is no user to act for",
        "mcp, revoked": "The issuer refuses a token: invalid_grant (It was revoked.)",
        "sync, revoked": "The issuer refuses a token: invalid_grant (It was revoked.)",
        "or-batch, revoked": "The issuer refuses a token: invalid_grant (It was revoked.)",
        "without a request": "No user's request is at hand",
    }.items():
        assert says in results.pop(name), name
    agents = ["mcp", "mcp-afresh", "or-batch", "sync", "async", "web", "a2a"]
    assert results == {
        **{f"agents/{name}": EACH_FOR_ITSELF for name in agents},
        "teams/team": EACH_FOR_ITSELF,
        **{f"workflows/{name}": EACH_FOR_ITSELF for name in ("flow", "parallel", "function")},
        "streamed": "alice",
        "in the background": "bob",
        "one MCP session": ["alice", "bob", "alice"],
        "one socket": ["alice", "bob"],
        "prepared": "True",
        "or-batch, expired": "batch",
        "or-batch, of a client": "batch",
    }
    acting = str({"sub": CLIENT})
    expected = {("os-2", user, acting) for user in USERS}
    expected |= {("os-2", client, "None") for client in ("batch", CLIENT)}
    assert {tuple(each) for each in tokens} == expected, "no user's own token"
    assert sorted(issuer.exchanged) == [*USERS, "dave"], "one exchange for each token"
