"""Inspections of real AgentOS: each planted exposure is found, and nothing where there is none."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from issuer.inspection.components import InspectionReport
from tests.agentos.adapter.adapted import AppSettings, running_apps
from tests.agentos.releases import EACH_MINOR, AgnoRelease
from tests.builders import OPERATOR
from tests.journeys.running_issuer import RunningIssuer, reserved_port, wait_until

pytestmark = pytest.mark.slow

FIRST = "2.7"
SOON = 120  # a verifier reports once a minute
Found = set[tuple[str, str]]


@dataclass(frozen=True)
class Planted:
    """An AgentOS by its configuration, at `path`, and what is found there, by rule and evidence.

    `since` is the first minor version of agno that has, or tells, what is planted. `is_stock`: it
    has the keys in a file, and no verifier.
    """

    configuration: str
    found: Found
    path: str = ""
    is_stock: bool = False
    since: str = FIRST
    until: str = "9"
    more: dict[str, Any] = field(default_factory=dict)

    def concerns(self, release: AgnoRelease) -> bool:
        return self.since <= release.minor <= self.until


RESOURCE = "/.well-known/oauth-protected-resource"
# What agno says from 3.1 on; `without_isolation` is for it.
ISOLATION = ("no-user-isolation", "GET /info without a token: 200, and user_isolation is false")
DOCUMENTED = ("public-documentation", "GET /docs without a token: 200; also /redoc, /openapi.json")
CARD = ("public-server-card", "GET /mcp/server-card without a token: 200")
NO_VERIFIER = (
    "no-verifier",
    "It accepts tokens of this issuer, and no verifier reported in the last three minutes",
)


def opened(path: str, status: int = 200, *, rule: str = "open-route") -> tuple[str, str]:
    return rule, f"GET {path} without a token: {status}"


def without_metadata(below: str = "", status: int = 401) -> Found:
    return {
        opened(f"{RESOURCE}{below}{path}", status, rule="no-resource-metadata")
        for path in ("", "/mcp")
    }


def shown(path: str, *also: str, others: int = 0) -> str:
    """What is said of several routes."""
    more = f", {others} others" if others else ""
    return f"GET {path}: 200; also {', '.join(also)}{more}"


CARDS = [
    f"/a2a/{each}/.well-known/agent-card.json"
    for each in ("agents/web", "agents/billing", "workflows/intake", "workflows/archive")
]
A2A = ("open-a2a", shown(f"{CARDS[0]} without a token", *CARDS[1:]))
INTERFACES: Found = {A2A, opened("/status", rule="open-agui")}
OPEN_MCP = opened("/mcp", 400, rule="open-mcp")
OPEN_SOCKET = (
    "open-websocket",
    "GET /workflows/ws as a WebSocket without a token: 101, and requires_auth is false",
)
NO_CHALLENGE = (
    "no-challenge",
    "GET /config without a token: 401, without resource_metadata in WWW-Authenticate",
)
NO_SCOPES = "/config with a token without scopes"
NO_TOKEN = "/config without a token"
MOUNTED = ("/models", "/sessions", "/memories")
OPEN_INTERFACES = {OPEN_SOCKET, OPEN_MCP, *INTERFACES, *without_metadata(status=404)}
OPEN_PATHS = ["/sessions", "/memories", "/metrics", "/registry", "/agents/*", "/a2a/*", "/status"]

PLANTED = [
    Planted("clean", set()),
    Planted("by_default", {DOCUMENTED}, until="2.9"),
    Planted("by_default", {DOCUMENTED, CARD}, since="3.0"),
    Planted("without_isolation", {ISOLATION}, since="3.1"),
    Planted("without_url", without_metadata()),
    Planted(
        "of_any_origin",
        {("any-origin", "GET /info without a token: 200, and a page of any origin may read it")},
    ),
    Planted(
        "naming_another_issuer",
        {
            (
                "other-issuer-named",
                f"GET {RESOURCE}{path} without a token: 200, and authorization_servers lacks this"
                " issuer",
            )
            for path in ("", "/mcp")
        }
        | {NO_CHALLENGE},
    ),
    Planted("without_challenge", {NO_CHALLENGE}),
    Planted(
        "with_open_paths",
        {
            opened("/sessions"),
            opened("/memories"),
            opened("/registry"),
            *(opened(f"/agents/{each}") for each in ("web", "billing")),
            *(opened(f"/agents/{each}/runs", 422) for each in ("web", "billing")),
            opened("/metrics", rule="public-metrics"),
            *INTERFACES,
            OPEN_MCP,
        },
        more={"paths": [*OPEN_PATHS, "/mcp", "/mcp/*"]},
    ),
    Planted(
        "without_authorization",
        {("no-authorization", shown(NO_SCOPES, "/models", "/agents", "/teams", others=8))},
        until="2.9",
    ),
    Planted(
        "without_authorization",
        {("no-authorization", shown(NO_SCOPES, "/agents", "/teams", "/workflows", others=8))},
        since="3.0",
    ),
    Planted(
        "with_a_route_without_scope",
        {("route-without-scope", "GET /sessions with a token without scopes: 200")},
    ),
    Planted(
        "with_roles_of_its_own",
        {("inspector-refused", "GET /config as issuer:inspector: 403")},
        since="3.1",
    ),
    Planted("with_a_file", {NO_VERIFIER, *without_metadata()}, is_stock=True),
    Planted(
        "mounted_stock",
        {NO_VERIFIER, *without_metadata("/os", 404)},
        path="/os",
        is_stock=True,
        since="3.0",
    ),
    *(
        Planted(
            "mounted_stock",
            {
                ("no-authorization", shown(NO_SCOPES, *MOUNTED, others=others)),
                NO_VERIFIER,
                *without_metadata("/os", 404),
            },
            path="/os",
            is_stock=True,
            since=since,
            until=until,
        )
        for since, until, others in (("2.7", "2.7", 5), ("2.8", "2.9", 6))
    ),
    Planted(
        "of_any_audience",
        {
            ("audience-not-verified", "GET /config with a token for another audience: 403"),
            NO_VERIFIER,
            *without_metadata(),
        },
        is_stock=True,
    ),
    Planted(
        "without_signatures",
        {
            ("signature-not-verified", "GET /config with a forged token: 200"),
            NO_VERIFIER,
            *without_metadata(),
        },
        is_stock=True,
    ),
    Planted(
        "of_an_example",
        {
            (
                "development-key",
                "GET /config with a token signed by the secret of an example: 403",
            ),
            ("issuer-refused", "GET /config as issuer:inspector: 401"),
            *without_metadata(),
        },
        is_stock=True,
    ),
    Planted("with_an_open_socket", {OPEN_SOCKET, NO_VERIFIER, *without_metadata()}, is_stock=True),
    Planted(
        "without_verification",
        {
            ("no-verification", shown(NO_TOKEN, "/models", "/agents", "/teams", others=8)),
            *OPEN_INTERFACES,
        },
        is_stock=True,
        until="2.9",
    ),
    Planted(
        "without_verification",
        {
            ("no-verification", shown(NO_TOKEN, "/agents", "/teams", "/workflows", others=8)),
            *OPEN_INTERFACES,
        },
        is_stock=True,
        since="3.0",
    ),
]


@dataclass(frozen=True)
class InspectedServers:
    """The URLs of the AgentOS of one release, by what is planted, and their issuers.

    Verifiers report to the first; the other one is that of stock AgentOS.
    """

    issuer: RunningIssuer
    other: RunningIssuer
    release: AgnoRelease
    urls: dict[int, str]

    def inspect(self, number: int) -> InspectionReport:
        url, issuer = self.urls[number], self.other if PLANTED[number].is_stock else self.issuer
        administration = issuer.deployment.services.administration
        return administration.inspector.inspect(
            partial(administration.changing, OPERATOR), "my-os", url
        )


@pytest.fixture(scope="module", params=EACH_MINOR, ids=str)
def servers(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[InspectedServers]:
    """All in one process. The verifiers among them have reported."""
    release: AgnoRelease = request.param
    folder = tmp_path_factory.mktemp(str(release))
    with ExitStack() as stack:
        issuer, other = (stack.enter_context(running(folder / name)) for name in ("a", "b"))
        key_set = folder / "jwks.json"
        key_set.write_text(other.http.get("/.well-known/jwks.json").text)
        apps, urls = {}, {}
        for number, planted in enumerate(PLANTED):
            if planted.concerns(release):
                port = stack.enter_context(reserved_port())
                urls[number] = f"http://127.0.0.1:{port}{planted.path}"
                more = {"port": port, "url": urls[number], "jwks_file": str(key_set)}
                settings = {**more, **planted.more}
                apps[str(number)] = AppSettings(
                    planted.configuration, issuer, more=settings, path=planted.path
                )
        stack.enter_context(running_apps(release, folder, apps))
        servers = InspectedServers(issuer, other, release, urls)
        wait_until(lambda: bool(reported(servers)), SOON, "a verifier has reported")
        yield servers


def running(folder: Path) -> RunningIssuer:
    folder.mkdir()
    issuer = RunningIssuer(folder)
    issuer.deployment.services.keys.keyring.reload()
    return issuer


def reported(servers: InspectedServers) -> list[Any]:
    with servers.issuer.deployment.services.administration.reading() as work:
        return work.verifiers.all()


def test_what_is_planted_is_found_and_nothing_else(servers: InspectedServers):
    for number in servers.urls:
        report, planted = servers.inspect(number), PLANTED[number]
        found = {(each.rule, each.evidence) for each in report.findings}
        if planted.is_stock:
            found.discard(ISOLATION)
        assert found == planted.found, planted.configuration


def test_the_components_are_named(servers: InspectedServers):
    found = servers.inspect(0).components
    assert found.agno_version == servers.release.version
    assert {each.id for each in found.agents} == {"web", "billing"}
    assert {each.id for each in found.workflows} == {"intake", "archive"}
    assert set(found.interfaces) == {"a2a", "agui", "mcp"}
