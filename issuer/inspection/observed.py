"""What is asked of an AgentOS, and what it answered."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit

from issuer.catalogue.catalogue import NEWEST, Catalogue, UnknownVersion
from issuer.inspection.components import FAMILIES
from issuer.inspection.names import (
    components_in,
    interface_routes,
    is_addressable,
    mcp_path,
    service_accounts,
)
from issuer.inspection.probing import Probe, ProbeAnswer
from issuer.inspection.report import FoundComponents
from issuer.inspection.tokens import TokenKind
from issuer.verifiers.known_verifiers import DescribedVerifier

INFO, CONFIG = Probe("/info"), Probe("/config", TokenKind.INSPECTOR)
WITHOUT = Probe(CONFIG.path)
# Those that were not revoked, the newest first.
SERVICE_ACCOUNTS = Probe(
    "/service-accounts?include_revoked=false&limit=100", TokenKind.SERVICE_ACCOUNTS
)
METRICS = "/metrics"
SOCKET = "/workflows/ws"
_DOCUMENTATION = ("/docs", "/redoc", "/openapi.json")
_RESOURCE = "/.well-known/oauth-protected-resource"
_ASKED = 10  # of the agents, teams and workflows


class Probed(NamedTuple):
    """Probes by their answer; one without an answer, or with another status, is in neither."""

    open: list[Probe]
    refused: list[Probe]


@dataclass(frozen=True)
class Observed:
    """What was asked of the AgentOS at `url`, and what it answered.

    `first_message` is what its WebSocket says by itself, `verifiers` the live ones that reported
    for its audience.
    """

    issuer: str
    audience: str
    url: str
    answers: Mapping[Probe, ProbeAnswer]
    verifiers: Iterable[DescribedVerifier]
    first_message: Mapping[str, Any]

    @cached_property
    def info(self) -> dict[str, Any]:
        return self.answers[INFO].members

    @cached_property
    def config(self) -> dict[str, Any]:
        return self.answers[CONFIG].members

    @cached_property
    def components(self) -> FoundComponents:
        return components_in(self.info, self.config)

    def service_accounts(self) -> list[str]:
        """Service accounts of agno, with maker and end; empty if they cannot be read."""
        answer = self.answers.get(SERVICE_ACCOUNTS)
        return service_accounts(answer.members) if answer else []

    @cached_property
    def catalogue(self) -> Catalogue:
        """The known routes of its version, or of the newest one."""
        try:
            return Catalogue.load(self.components.agno_version or NEWEST)
        except UnknownVersion:
            return Catalogue.load(NEWEST)

    @property
    def verifies(self) -> bool:
        """Whether it refuses a request for its configuration that has no token."""
        return self.is_unauthorized(WITHOUT)

    @property
    def accepts(self) -> bool:
        """Whether it verifies tokens, and has accepted that of the inspector."""
        return self.verifies and self.answers[CONFIG].accepts_token

    def is_open(self, probe: Probe) -> bool:
        return probe in self.answers and self.answers[probe].is_open

    def is_unauthorized(self, probe: Probe) -> bool:
        return probe in self.answers and self.answers[probe].is_unauthorized

    def says(self, probe: Probe) -> str:
        """The request and the status of its answer."""
        answer = self.answers.get(probe)
        return f"{probe}: {answer.status if answer else 'no answer'}"

    def without_answer(self) -> list[Probe]:
        """Requests without an answer: none came in time, or they exceeded the bound of requests."""
        asked = (SERVICE_ACCOUNTS, *self.resource_documents(), *self.mcp(), *probes_of(self))
        return [each for each in asked if each not in self.answers]

    def partition(self, probes: Iterable[Probe]) -> Probed:
        """The probes that are open, and those that are refused."""
        answers = {probe: self.answers[probe] for probe in probes if probe in self.answers}
        return Probed(
            [probe for probe, answer in answers.items() if answer.is_open],
            [probe for probe, answer in answers.items() if answer.is_refused],
        )

    def open_ones(self, probes: Iterable[Probe]) -> Iterator[str]:
        """Evidence for each that is open."""
        return (self.says(each) for each in probes if self.is_open(each))

    def routes(self, token: TokenKind = TokenKind.NONE) -> list[Probe]:
        """Routes that require a scope and name nothing."""
        return [
            Probe(each.pattern, token)
            for each in self.catalogue.routes
            if each.method == "GET" and each.required and "*" not in each.pattern
        ]

    def routes_of_components(self) -> list[Probe]:
        """The routes of the first agents, teams and workflows, and their runs."""
        return [Probe(f"{path}{end}") for path in self._paths() for end in ("", "/runs")]

    def agent_cards(self) -> list[Probe]:
        """What A2A says of the first agents, teams and workflows."""
        routes = interface_routes(self.config, "a2a") if self.config else ["/a2a"]
        end = "/.well-known/agent-card.json"
        return [Probe(f"{each}{path}{end}") for each in routes for path in self._paths()]

    def agui(self) -> list[Probe]:
        routes = interface_routes(self.config, "agui") if self.config else [""]
        return [Probe(f"{each}/status") for each in routes]

    def mcp(self) -> list[Probe]:
        path = mcp_path(self.info) if self.info else "/mcp"
        return [] if path is None else [Probe(path)]

    def server_cards(self) -> list[Probe]:
        return [Probe(f"{each.path}/server-card") for each in self.mcp()]

    def documentation(self) -> list[Probe]:
        return [Probe(path) for path in _DOCUMENTATION]

    def resource_documents(self) -> list[Probe]:
        """RFC 9728 §3.1: between the origin and the path of the AgentOS, and of its MCP."""
        below = urlsplit(self.url).path
        return [Probe(f"{_RESOURCE}{below}{each.path}") for each in (Probe(""), *self.mcp())]

    def _paths(self) -> Iterator[str]:
        for kind in FAMILIES:
            named = (c for c in getattr(self.components, kind) if is_addressable(c.id))
            for each in islice(named, _ASKED):
                yield f"/{kind}/{quote(each.id, safe='')}"


def probes_of(observed: Observed) -> list[Probe]:
    """What to ask, once its configuration is known; resource documents and MCP apart."""
    elsewhere = (TokenKind.OTHER_AUDIENCE, TokenKind.FORGED)
    of_examples = (TokenKind.DEVELOPMENT, TokenKind.OTHER_DEVELOPMENT)
    return [
        *observed.routes(),
        *observed.routes(TokenKind.NO_RIGHTS),
        *(Probe(CONFIG.path, kind) for kind in (*elsewhere, *of_examples)),
        *observed.agui(),
        *observed.server_cards(),
        *observed.documentation(),
        *observed.routes_of_components(),
        *observed.agent_cards(),
    ]
