"""Configurations of an AgentOS with the adapter, one per function."""

import inspect
from collections.abc import Sequence
from typing import Any

from agno.db.in_memory import InMemoryDb
from agno.os import AgentOS
from agno.os.interfaces.agui import AGUI
from agno.os.middleware.jwt import JWTMiddleware, TokenSource
from agno.workflow import Step, Workflow
from fastapi import FastAPI
from fastmcp.server.auth import RemoteAuthProvider
from fastmcp.server.auth.providers.jwt import StaticTokenVerifier
from pydantic import AnyHttpUrl
from starlette.middleware.gzip import GZipMiddleware

from issuer.agentos import Verifier
from issuer.client import TokenClient
from tests.agentos.adapter.names import AUDIENCE, COOKIE, USAGE_REPORT
from tests.agentos.server import authorization, stub_agent


def agent_os(**settings: Any) -> AgentOS:
    """Two agents and two workflows, with every interface that agno has."""
    agents = [stub_agent(agent_id) for agent_id in ("web", "billing")]
    workflows = [
        Workflow(id=name, name=name, steps=[Step(name="s", agent=stub_agent("s"))], telemetry=False)
        for name in ("intake", "archive")
    ]
    mcp = "mcp" if "mcp" in inspect.signature(AgentOS).parameters else "mcp_server"
    interfaces = {"a2a_interface": True, "interfaces": [AGUI(agent=agents[0])], mcp: True}
    contents = {"id": AUDIENCE, "agents": agents, "workflows": workflows, "db": InMemoryDb()}
    return AgentOS(**{**contents, **interfaces, "telemetry": False, **settings})


def following(issuer: str, others: Sequence[dict[str, Any]] = (), **settings: Any) -> Verifier:
    """A Verifier of `issuer` and of the `others`."""
    verifiers = [Verifier(audience=AUDIENCE, **other) for other in others]
    return Verifier(issuer, AUDIENCE, others=verifiers, **settings)


def managed(issuer: str, **settings: Any) -> FastAPI:
    """As the README has it."""
    verifier = following(issuer, **settings)
    return verifier.attach(agent_os(**verifier.auth()).get_app())


def compressed(issuer: str, **settings: Any) -> FastAPI:
    """What it answers is compressed, by a middleware that was added before."""
    verifier = following(issuer, **settings)
    app = agent_os(**verifier.auth()).get_app()
    app.add_middleware(GZipMiddleware, minimum_size=1)
    return verifier.attach(app)


def reporting(issuer: str, **settings: Any) -> FastAPI:
    """It reports which scopes are used."""
    client = TokenClient(
        issuer, "reporter", client_secret="for-tests", audience=issuer, scope=USAGE_REPORT
    )
    return managed(issuer, report_usage=client, **settings)


def unattached(issuer: str) -> FastAPI:
    """`attach` was forgotten."""
    return agent_os(**following(issuer).auth()).get_app()


def with_mcp_auth(issuer: str, verification_keys: Sequence[str] = (), **more: Any) -> FastAPI:
    """A provider of fastmcp owns `/mcp`; static keys of another issuer are trusted, too."""
    verifier = following(issuer, verification_keys=verification_keys, **more)
    provider = StaticTokenVerifier({"of-the-provider": {"client_id": "app", "scopes": []}})
    return verifier.attach(agent_os(mcp_auth=provider, **verifier.auth()).get_app())


def by_hand(issuer: str) -> FastAPI:
    """`Authorization(jwks_file=…)`, or `AuthorizationConfig(jwks_file=…)` before 3.1.

    On an existing app.
    """
    verifier = following(issuer)
    settings = authorization(jwks_file=verifier.jwks_file)
    return verifier.attach(agent_os(base_app=base_app(), **settings).get_app())


def manual(issuer: str) -> FastAPI:
    """With a cookie or a header, and scopes in a claim of another name."""
    return with_middleware(
        JWTMiddleware,
        issuer,
        token_source=TokenSource.BOTH,
        cookie_name=COOKIE,
        scopes_claim="permissions",
        user_isolation=True,
    )


def manual_subclass(issuer: str) -> FastAPI:
    return with_middleware(Subclass, issuer)


def with_middleware(middleware: type, issuer: str, **settings: Any) -> FastAPI:
    verifier = following(issuer)
    app = agent_os().get_app()
    app.add_middleware(middleware, jwks_file=verifier.jwks_file, authorization=True, **settings)
    return verifier.attach(app)


def mounted(issuer: str, **settings: Any) -> FastAPI:
    """A managed AgentOS at `/os` of another app."""
    verifier = following(issuer, **settings)
    outer = base_app()
    outer.mount("/os", agent_os(**verifier.auth()).get_app())
    return verifier.attach(outer)


def mounted_once_attached(issuer: str, **settings: Any) -> FastAPI:
    """`attach` is called with the AgentOS itself."""
    outer = base_app()
    outer.mount("/os", managed(issuer, **settings))
    return outer


def with_mcp_path(issuer: str, **settings: Any) -> FastAPI:
    """MCP at another path and an alias, possible from agno 3.0 on."""
    from agno.os.config import MCPConfig  # noqa: PLC0415

    verifier = following(issuer, **settings)
    tools = {"default_tools": True} if "default_tools" in MCPConfig.model_fields else {}
    config = MCPConfig(path="/tools", path_aliases=["/v1/mcp"], **tools)
    return verifier.attach(agent_os(mcp=config, **verifier.auth()).get_app())


def with_roles_claim(issuer: str, **settings: Any) -> FastAPI:
    """Roles decide instead of scopes, possible from agno 3.1 on."""
    verifier = following(issuer, **settings)
    roles = verifier.auth(roles_claim="roles", db_url="sqlite:///roles.db")
    return verifier.attach(agent_os(**roles).get_app())


def with_roles_and_people(issuer: str) -> FastAPI:
    """Roles decide, and users are stored when they first come, possible from agno 3.1 on."""
    from agno.os.authz.user_directory import UserDirectory  # noqa: PLC0415

    verifier = following(issuer)
    auth = verifier.auth(
        roles_claim="roles",
        db_url="sqlite:///roles.db",
        user_directory=UserDirectory(db_url="sqlite:///roles.db", auto_provision=True),
    )
    auth["authorization"].define_role("osadmin", ["agent_os:admin"])
    return verifier.attach(agent_os(**auth).get_app())


def without_mcp(issuer: str, **settings: Any) -> FastAPI:
    verifier = following(issuer, **settings)
    agents = [stub_agent("web")]
    return verifier.attach(AgentOS(id=AUDIENCE, agents=agents, **verifier.auth()).get_app())


def with_metadata_of_its_own(issuer: str, **settings: Any) -> FastAPI:
    """A provider of fastmcp that serves a metadata document, too."""
    verifier = following(issuer, **settings)
    provider = RemoteAuthProvider(
        StaticTokenVerifier({}), [AnyHttpUrl("https://id.example")], "https://os.example"
    )
    return verifier.attach(agent_os(mcp_auth=provider, **verifier.auth()).get_app())


def mounted_behind_middleware(issuer: str) -> FastAPI:
    """An AgentOS without verification, at `/os` of an app that has the middleware."""
    verifier = following(issuer)
    outer = base_app()
    outer.mount("/os", agent_os().get_app())
    outer.add_middleware(JWTMiddleware, jwks_file=verifier.jwks_file, authorization=True)
    return verifier.attach(outer)


def from_environment(issuer: str) -> FastAPI:
    """The key set is configured by `JWT_JWKS_FILE` only."""
    verifier = following(issuer)
    return verifier.attach(agent_os(authorization=True).get_app())


def stock(issuer: str, **keys: Any) -> FastAPI:
    """Without the adapter, in a process that has it."""
    Verifier(issuer, AUDIENCE).auth()
    return agent_os(**authorization(**keys)).get_app()


def base_app() -> FastAPI:
    app = FastAPI()

    @app.get("/own")
    def own() -> str:
        return "mine"

    @app.get("/health")
    def health() -> str:
        return "well"

    return app


class Subclass(JWTMiddleware):
    """A subclass as users write it, to log or to change an answer."""
