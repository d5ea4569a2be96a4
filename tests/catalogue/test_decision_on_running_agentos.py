"""`decide` against running servers, over every route in their OpenAPI documents."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from issuer.catalogue import scopes
from issuer.catalogue.catalogue import Catalogue
from issuer.catalogue.decision import decide
from issuer.scopes import AGENT_OS_ADMIN
from tests.agentos.releases import SERVER_RELEASES, AgnoRelease
from tests.agentos.running import AgentOSServer, bearer, running_agent_os
from tests.agentos.tokens import Tokens

pytestmark = pytest.mark.slow

NO_GOOD_TOKEN, REFUSED = 401, 403
# What the routes of agents' files require before they check the token.
QUERY = "namespace=some&path=some&query=some"
IDS = {"agent_id": "web", "team_id": "support", "workflow_id": "intake"}
ONE_OF_EACH = ("agents:web", "teams:support", "workflows:intake")
ANOTHER_OF_EACH = ("agents:billing", "teams:other", "workflows:other")
GLOBAL = [entry.scope for entry in scopes() if entry.scope != AGENT_OS_ADMIN]

HOLDERS = {
    "nothing": [],
    "everything": [AGENT_OS_ADMIN],
    "each scope": GLOBAL,
    "to read": [scope for scope in GLOBAL if scope.endswith(":read")],
    "to run": [scope for scope in GLOBAL if scope.endswith(":run")],
    "to write": [scope for scope in GLOBAL if scope.endswith(":write")],
    "to delete": [scope for scope in GLOBAL if scope.endswith(":delete")],
    "to read one": [f"{one}:read" for one in ONE_OF_EACH],
    "to run one": [f"{one}:run" for one in ONE_OF_EACH],
    "to read and run one": [f"{one}:{do}" for one in ONE_OF_EACH for do in ("read", "run")],
    "to read and run another": [f"{one}:{do}" for one in ANOTHER_OF_EACH for do in ("read", "run")],
    "to read files and run one": ["filesystem:read", "agents:web:run"],
    "to read files": ["filesystem:read"],
    "by old names": ["system:read", "system:*:write"],
}


@pytest.fixture(scope="module", params=SERVER_RELEASES, ids=str)
def release(request: pytest.FixtureRequest) -> AgnoRelease:
    return request.param


@pytest.fixture(scope="module")
def tokens() -> Tokens:
    return Tokens()


@pytest.fixture(scope="module")
def agent_os(
    release: AgnoRelease, tokens: Tokens, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AgentOSServer]:
    workdir: Path = tmp_path_factory.mktemp(str(release))
    with running_agent_os(release, workdir, pems=[tokens.pem]) as server:
        yield server


@pytest.mark.parametrize("holder", HOLDERS)
def test_agentos_refuses_the_requests_that_decide_refuses(
    release: AgnoRelease, agent_os: AgentOSServer, tokens: Tokens, holder: str
) -> None:
    held = HOLDERS[holder]
    token = tokens.issue(held)
    wrong = [
        (method, path, status, decided.reason)
        for method, path in routes(agent_os)
        for decided in [decide(held, method, path, release.version)]
        for status in [ask(agent_os, method, path, token)]
        if (status == REFUSED) == decided.allowed
    ]
    assert wrong == []


@pytest.mark.parametrize("odd", ["a b", "wéb", "a?b", "a#b", "a\\b", "we\tb", "%41", "a:b", "web "])
def test_an_id_with_special_characters_is_decided_as_agentos_does(
    release: AgnoRelease, agent_os: AgentOSServer, tokens: Tokens, odd: str
) -> None:
    """Before agno 3.0 the map matches some characters of a path encoded, the router never does."""
    path = f"/agents/{quote(odd, safe='')}/runs"
    for spelt in (odd, odd.replace("?", "%3F"), odd.replace("\t", ""), quote(odd)):
        held = ["agents:other:run", f"agents:{spelt}:run"]
        is_refused = ask(agent_os, "POST", path, tokens.issue(held)) == REFUSED
        assert is_refused != decide(held, "POST", path, release.version).allowed, spelt


def test_a_list_shows_the_ids_that_decide_lists(
    release: AgnoRelease, agent_os: AgentOSServer, tokens: Tokens
) -> None:
    there = {"web", "billing"}
    for held in (["agents:web:read"], ["agents:web:read", "agents:billing:run"], ["agents:read"]):
        listing = decide(held, "GET", "/agents", release.version).listing
        shown = there if listing == "all" else there & set(listing)
        assert agent_os.list_agents(tokens.issue(held)) == shown


def test_the_servers_have_the_routes_that_the_map_names(
    release: AgnoRelease, agent_os: AgentOSServer
) -> None:
    """So that the tests above cover the map."""
    catalogue = Catalogue.load(release.version)
    paths = {(method, path.split("?")[0]) for method, path in routes(agent_os)}
    asked = [catalogue.required_at(method, path) for method, path in paths]
    named = {scope for required in asked for scope in required}
    without_routes = {
        f"{one}:{do}" for one in ("agents", "teams", "workflows") for do in ("write", "delete")
    }
    of_company = {entry.scope for entry in scopes() if entry.description.startswith("Company")}
    entries = {entry.scope for entry in scopes(release.version)} - {AGENT_OS_ADMIN}
    assert named == entries - without_routes - of_company


def routes(agent_os: AgentOSServer) -> list[tuple[str, str]]:
    """Every route of the server, some with a trailing slash, some with an unsupported method."""
    paths = agent_os.http.get("/openapi.json").json()["paths"]
    known = [
        (method.upper(), path.format_map(Ids()))
        for path, operations in paths.items()
        for method in operations
    ]
    slashed = [(method, f"{path}/") for method, path in known[::5] if path != "/"]
    others = [*(("HEAD", path) for _, path in known[::10]), ("GET", "/nowhere")]
    return [(method, f"{path}?{QUERY}") for method, path in [*known, *slashed, *others]]


class Ids(dict[str, str]):
    def __missing__(self, name: str) -> str:
        return IDS.get(name, "some")


def ask(agent_os: AgentOSServer, method: str, path: str, token: str) -> int:
    """The status, after a redirect if there is one; a refusal is 403, anything else is not."""
    # AgentOS drops a connection after an error of its own, which it has when a body is missing.
    headers = bearer(token) | {"Connection": "close"}
    answer = agent_os.http.request(method, path, headers=headers, follow_redirects=True)
    assert answer.status_code != NO_GOOD_TOKEN, (method, path, answer.text)
    return answer.status_code
