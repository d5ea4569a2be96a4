"""Starts a process with several AgentOS, each with the adapter and an issuer of its own."""

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from issuer.agentos import Verifier
from tests.agentos.adapter.fake_issuer import FakeIssuer
from tests.agentos.adapter.names import AUDIENCE
from tests.agentos.adapter.surfaces import NO_TLS
from tests.agentos.releases import REPOSITORY, AgnoRelease
from tests.agentos.running import AgentOSServer, running_agent_os
from tests.agentos.tokens import Tokens
from tests.journeys.running_issuer import wait_until

CONDITIONS = (
    "asked over REST",
    "asked over WebSocket",
    "asked over MCP",
    "polled",
    "down",
    "cached",
    "hanging",
    "flooded",
    "revoking",
    "without its feed",
)
SERVER = Path(__file__).with_name("server.py")


@dataclass(frozen=True)
class AppSettings:
    """`configuration` is a function of `configurations.py`, `more` are its arguments.

    `issuer` is a `FakeIssuer` or a `RunningIssuer`.
    """

    configuration: str
    issuer: Any
    others: Mapping[str, FakeIssuer] = field(default_factory=dict)
    more: dict[str, Any] = field(default_factory=dict)
    path: str = ""

    def as_json(self) -> dict[str, Any]:
        named = {"configuration": self.configuration, "issuer": self.issuer.url}
        return {**named, **self.more}


@dataclass(frozen=True)
class AdaptedApp:
    """A running AgentOS, and the issuers of its tokens."""

    os: AgentOSServer
    issuer: Any
    others: Mapping[str, FakeIssuer]

    @property
    def url(self) -> str:
        return self.os.url


Apps = Mapping[str, AdaptedApp]


def everyday_apps(stack: ExitStack, cache_file: Path) -> dict[str, AppSettings]:
    """The AgentOS of the README, and one with an issuer in each condition."""
    others = {name: stack.enter_context(FakeIssuer()) for name in CONDITIONS}
    others["polled"].max_age = 1
    others["revoking"].feed_max_age = 1
    others["without its feed"].revoked = None
    verifiers = [
        {"issuer": other.url, **({"cache_file": str(cache_file)} if name == "cached" else {})}
        for name, other in others.items()
    ]
    issuers = iter(lambda: stack.enter_context(FakeIssuer()), None)
    return {
        "managed": AppSettings("managed", next(issuers)),
        "of_many_issuers": AppSettings("managed", next(issuers), others, {"others": verifiers}),
    }


def other_apps(stack: ExitStack, control_plane: Tokens, workdir: Path) -> dict[str, AppSettings]:
    """The other configurations; `unused_…` are for one test each."""

    def app(configuration: str, path: str = "", **more: Any) -> AppSettings:
        issuer = stack.enter_context(FakeIssuer())
        return AppSettings(configuration, issuer, more=more, path=path)

    stock = app("stock")
    stock.more["jwks_file"] = str(stock.issuer.newest.write_jwks(workdir))
    return {
        "with_mcp_auth": app("with_mcp_auth", verification_keys=[control_plane.pem]),
        "by_hand": app("by_hand"),
        "unattached": app("unattached"),
        "manual": app("manual"),
        "manual_subclass": app("manual_subclass"),
        "unused_subclass": app("manual_subclass"),
        "mounted": app("mounted", path="/os"),
        "mounted_behind_middleware": app("mounted_behind_middleware", path="/os"),
        "unused_mounted": app("mounted_behind_middleware", path="/os"),
        "stock": stock,
        "stock_with_static_key": app("stock", verification_keys=[control_plane.pem]),
    }


@contextmanager
def running_apps(
    release: AgnoRelease,
    workdir: Path,
    apps: Mapping[str, AppSettings],
    *,
    workers: int = 1,
    environment: Mapping[str, str] | None = None,
) -> Iterator[dict[str, AdaptedApp]]:
    """The apps, ready to answer; stopped when the block ends."""
    file = workdir / "apps.json"
    file.write_text(json.dumps({name: app.as_json() for name, app in apps.items()}))
    server = running_agent_os(
        release,
        workdir,
        script=SERVER,
        arguments=["--apps", str(file), "--workers", str(workers)],
        environment={"PYTHONPATH": str(REPOSITORY), **(environment or {})},
    )
    with server as first, ExitStack() as clients:
        yield {
            name: _app(clients, first, url, apps[name]) for name, url in _urls(first.output).items()
        }


def fill_cache(cache_file: Path, issuer: FakeIssuer) -> None:
    """Write the cache files that an earlier AgentOS would have left."""
    verifier = Verifier(issuer.url, AUDIENCE, cache_file=cache_file)
    verifier.start()
    for file in (cache_file, Path(f"{cache_file}.revocations")):
        wait_until(file.exists, 10, f"{file.name} was written")
    verifier.stop()


def _app(
    clients: ExitStack, first: AgentOSServer, origin: str, settings: AppSettings
) -> AdaptedApp:
    url = origin + settings.path
    http = clients.enter_context(httpx.Client(base_url=url, timeout=30, **NO_TLS))
    server = AgentOSServer(first.release, url, http, first.pid, first.output)
    return AdaptedApp(server, settings.issuer, settings.others)


def _urls(output: Path) -> dict[str, str]:
    lines = output.read_text().splitlines()
    return json.loads(next(line for line in lines if line.startswith('{"url"')))["urls"]
