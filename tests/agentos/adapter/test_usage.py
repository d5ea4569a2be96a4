"""What the verifier reports as used is what was requested, on real AgentOS of each release."""

from collections import Counter
from contextlib import ExitStack

import pytest

from tests.agentos.adapter.adapted import AppSettings, running_apps
from tests.agentos.adapter.fake_issuer import FakeIssuer
from tests.agentos.adapter.surfaces import SURFACES
from tests.agentos.releases import AgnoRelease
from tests.agentos.running import AgentOSServer

Used = Counter[tuple[str, str, str, str]]


def request_everything(issuer: FakeIssuer, os: AgentOSServer) -> None:
    """Each with a subject of its own, who says in its name what is expected of it."""

    def token(sub: str, *scopes: str) -> str:
        return issuer.issue(scopes, sub=sub, client_id="app")

    for surface in SURFACES:
        for _ in range(2):
            surface.attempt(os.url, token(f"{surface}-allowed", surface.scope))
        surface.attempt(os.url, token(f"{surface}-refused", surface.narrower))
    os.get("/sessions", token("wide", "agent_os:admin"))
    os.get("/sessions", token("narrow", "agents:web:run"))
    os.get("/agents", token("lists-all", "agents:read"))
    os.get("/agents", token("lists-one", "agents:web:read"))
    os.get("/agents", token("lists-none", "agents:web:run"))
    os.get("/agents/web", token("reads-one", "agents:read"))
    os.run(token("invents", "agents:run"), "a b")
    os.run("not-a-token", "web")
    os.get("/health", token("unprotected", "agents:run"))
    os.run(issuer.issue(["agents:run"], sub="svc", client_id="svc"), "web")


EXPECTED: Used = Counter(
    {
        ("REST-allowed", "app", "agents:web:run", "allowed"): 2,
        ("REST-refused", "app", "agents:web:run", "refused"): 1,
        ("WebSocket-allowed", "app", "workflows:intake:run", "allowed"): 2,
        ("WebSocket-refused", "app", "workflows:intake:run", "refused"): 1,
        ("MCP-allowed", "app", "agents:web:run", "allowed"): 2,
        ("MCP-refused", "app", "agents:web:run", "refused"): 1,
        ("A2A-allowed", "app", "agents:web:run", "allowed"): 2,
        ("A2A-refused", "app", "agents:web:run", "refused"): 1,
        ("AG-UI-allowed", "app", "agents:run", "allowed"): 2,
        ("AG-UI-refused", "app", "agents:run", "refused"): 1,
        ("wide", "app", "sessions:read", "allowed"): 1,
        ("narrow", "app", "sessions:read", "refused"): 1,
        ("lists-all", "app", "agents:read", "allowed"): 1,
        ("lists-one", "app", "agents:read", "allowed"): 1,
        ("lists-none", "app", "agents:read", "refused"): 1,
        ("reads-one", "app", "agents:web:read", "allowed"): 1,
        ("invents", "app", "agents:run", "allowed"): 1,
        ("svc", "svc", "agents:web:run", "allowed"): 1,
    }
)


def test_each_request_is_counted_once_by_the_scope_that_it_needed(
    adapted_release: AgnoRelease, tmp_path_factory: pytest.TempPathFactory
):
    """Also what was counted last: a server that stops reports it before."""
    workdir = tmp_path_factory.mktemp(f"usage-{adapted_release}")
    with ExitStack() as stack:
        issuer = stack.enter_context(FakeIssuer())
        settings = {"reporting": AppSettings("reporting", issuer)}
        with running_apps(adapted_release, workdir, settings) as apps:
            request_everything(issuer, apps["reporting"].os)
        assert used(issuer) == EXPECTED
        assert {report["audience"] for report in issuer.usage} == {"my-os"}
        assert not any(each["others"]["allowed"] for each in issuer.usage)


def used(issuer: FakeIssuer) -> Used:
    found: Used = Counter()
    for report in issuer.usage:
        for count in report["counts"]:
            key = count["sub"], count["client_id"], count["scope"]
            for outcome in ("allowed", "refused"):
                found[(*key, outcome)] += count[outcome]
    return +found
