"""Configurations of an AgentOS that expose something, one per function, and one that does not.

`jwks_file` is the key set of the issuer in a file, which no Verifier follows.
"""

from typing import Any

from agno.os import config as agno_config
from agno.os.middleware.jwt import JWTMiddleware
from agno.os.settings import AgnoAPISettings
from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi.routing import APIRoute

from issuer.agentos import Verifier
from tests.agentos.adapter.configurations import Subclass, agent_os, base_app
from tests.agentos.adapter.names import AUDIENCE
from tests.agentos.server import authorization

PUBLIC = ["/", "/health", "/info"]
SECRET = "your-secret-key-at-least-256-bits-long"


def quiet(**settings: Any) -> Any:
    """An AgentOS that publishes nothing about itself."""
    return agent_os(
        **{"settings": AgnoAPISettings(docs_enabled=False), **without_card(), **settings}
    )


def without_card() -> dict[str, Any]:
    """MCP without a server card, which agno has from 3.0 on."""
    config = agno_config.MCPConfig if hasattr(agno_config, "MCPConfig") else None
    if config is None or "server_card" not in config.model_fields:
        return {}
    tools = {"default_tools": True} if "default_tools" in config.model_fields else {}
    return {"mcp": config(server_card=False, **tools)}


def clean(issuer: str, url: str, **_: Any) -> FastAPI:
    """As the documentation has it."""
    verifier = Verifier(issuer, AUDIENCE, url=url)
    return verifier.attach(quiet(**verifier.auth(user_isolation=True)).get_app())


def by_default(issuer: str, url: str, **_: Any) -> FastAPI:
    """With the documentation, and in agno 3 the server card, that are public by default."""
    verifier = Verifier(issuer, AUDIENCE, url=url)
    return verifier.attach(agent_os(**verifier.auth(user_isolation=True)).get_app())


def without_isolation(issuer: str, url: str, **_: Any) -> FastAPI:
    verifier = Verifier(issuer, AUDIENCE, url=url)
    return verifier.attach(quiet(**verifier.auth()).get_app())


def without_url(issuer: str, **_: Any) -> FastAPI:
    verifier = Verifier(issuer, AUDIENCE)
    return verifier.attach(quiet(**verifier.auth(user_isolation=True)).get_app())


def of_any_origin(issuer: str, url: str, **_: Any) -> FastAPI:
    app = clean(issuer, url)
    app.add_middleware(CORSMiddleware, allow_origins=["*"])
    return app


def naming_another_issuer(issuer: str, **_: Any) -> FastAPI:
    return with_metadata_of(issuer, "https://a.example")


def without_challenge(issuer: str, **_: Any) -> FastAPI:
    """Its metadata is right, and nothing leads there."""
    return with_metadata_of(issuer, issuer)


def with_metadata_of(issuer: str, named: str) -> FastAPI:
    """It serves its metadata itself."""
    verifier = Verifier(issuer, AUDIENCE)
    app = with_middleware(verifier.jwks_file, excluded=["/.well-known/*"])

    def resource() -> dict[str, Any]:
        return {"resource": "https://os.example", "authorization_servers": [named]}

    path = "/.well-known/oauth-protected-resource{rest:path}"
    app.router.routes.insert(0, APIRoute(path, resource))  # before MCP, which is mounted below /
    return verifier.attach(app)


def with_open_paths(issuer: str, url: str, paths: list[str], **_: Any) -> FastAPI:
    verifier = Verifier(issuer, AUDIENCE, url=url)
    return verifier.attach(with_middleware(verifier.jwks_file, excluded=paths))


def without_authorization(issuer: str, url: str, **_: Any) -> FastAPI:
    verifier = Verifier(issuer, AUDIENCE, url=url)
    return verifier.attach(with_middleware(verifier.jwks_file, authorization=False))


def with_a_route_without_scope(issuer: str, url: str, **_: Any) -> FastAPI:
    verifier = Verifier(issuer, AUDIENCE, url=url)
    mappings = {"GET /sessions": []}
    return verifier.attach(with_middleware(verifier.jwks_file, scope_mappings=mappings))


def mounted_stock(issuer: str, jwks_file: str, **_: Any) -> FastAPI:
    """agno 2 finds no scopes there."""
    outer = base_app()
    inner = quiet(**authorization(jwks_file=jwks_file, verify_audience=True, audience=AUDIENCE))
    outer.mount("/os", inner.get_app())
    return outer


def with_a_file(issuer: str, jwks_file: str, **_: Any) -> FastAPI:
    settings = authorization(jwks_file=jwks_file, verify_audience=True, audience=AUDIENCE)
    return quiet(**settings).get_app()


def of_any_audience(issuer: str, jwks_file: str, **_: Any) -> FastAPI:
    return quiet(**authorization(jwks_file=jwks_file)).get_app()


def without_signatures(issuer: str, jwks_file: str, **_: Any) -> FastAPI:
    return with_middleware(jwks_file, validate=False)


def of_an_example(issuer: str, **_: Any) -> FastAPI:
    settings = authorization(verification_keys=[SECRET], algorithm="HS256")
    return quiet(**settings).get_app()


def with_an_open_socket(issuer: str, jwks_file: str, **_: Any) -> FastAPI:
    """agno overlooks subclasses of its middleware until the first request over HTTP."""
    return with_middleware(jwks_file, middleware=Subclass)


def without_verification(issuer: str, **_: Any) -> FastAPI:
    return quiet().get_app()


def as_printed(issuer: str, lines: str, **_: Any) -> FastAPI:
    """The `app` of lines that the console prints, with the agents of the tests for the reader's."""
    names: dict[str, Any] = {"of_tests": lambda agents, **settings: quiet(**settings)}
    exec(lines.replace("AgentOS(", "of_tests("), names)
    return names["app"]


def with_roles_of_its_own(issuer: str, url: str, **_: Any) -> FastAPI:
    """Scopes count for nothing then, possible from agno 3.1 on."""
    verifier = Verifier(issuer, AUDIENCE, url=url)
    roles = verifier.auth(user_isolation=True, roles_claim="roles", db_url="sqlite://")
    return verifier.attach(quiet(**roles).get_app())


def with_middleware(
    jwks_file: str,
    *,
    excluded: tuple[str, ...] | list[str] = (),
    middleware: type = JWTMiddleware,
    **settings: Any,
) -> FastAPI:
    """agno's middleware, added by hand."""
    app = quiet().get_app()
    app.add_middleware(
        middleware,
        jwks_file=jwks_file,
        excluded_route_paths=[*PUBLIC, *excluded],
        **{
            "authorization": True,
            "verify_audience": True,
            "audience": AUDIENCE,
            "user_isolation": True,
            **settings,
        },
    )
    return app
