"""What is asked of an AgentOS, and what it answered: text that anybody may have written."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from itertools import islice
from typing import Any, NamedTuple
from urllib.parse import quote, unquote, urlsplit

from issuer.catalogue.catalogue import NEWEST, Catalogue, UnknownVersion
from issuer.fields.ids import is_principal_id
from issuer.fields.text import is_storable
from issuer.inspection.components import FAMILIES, ComponentName, FoundComponents
from issuer.inspection.inspections import InspectionRequest
from issuer.inspection.probing import Probe, ProbeAnswer
from issuer.inspection.tokens import TokenKind

MCP = "mcp"
_MOST = 1_000  # of a kind
_LONGEST = 255
# No escapes, which may stand for dots, and no segment that a client or a proxy resolves: an AgentOS
# must not steer requests to other paths of its origin (RFC 3986 §5.2.4).
_PATH = re.compile(r"(/(?!\.{1,2}(/|$))[A-Za-z0-9._~-]+)*/?")
_DOTS = {".", ".."}
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


def components_in(info: Mapping[str, Any], config: Mapping[str, Any]) -> FoundComponents:
    """What `/info` and `/config` of an AgentOS say. Of each kind the first thousand."""
    found = {
        kind: [_name_of(id_, each.get("name")) for id_, each in _with_text(config.get(kind), "id")]
        for kind in FAMILIES
    }
    interfaces = [name for name, _ in _with_text(config.get("interfaces"), "type")]
    if mcp_path(info) is not None:
        interfaces.append(MCP)
    return FoundComponents(
        agno_version=_text(info.get("agno_version")),
        interfaces=list(dict.fromkeys(interfaces)),
        **found,
    )


def mcp_path(info: Mapping[str, Any]) -> str | None:
    """Where MCP is served, as `/info` says; None if it is not."""
    mcp = info.get(MCP)
    if not isinstance(mcp, dict) or not mcp.get("enabled"):
        return None
    return _path(mcp.get("path")) or "/mcp"


def interface_routes(config: Mapping[str, Any], kind: str) -> list[str]:
    """Where the interfaces of that kind are, as `/config` says; empty if there is none."""
    interfaces = _with_text(config.get("interfaces"), "type")
    routes = (_path(each.get("route")) for name, each in interfaces if name == kind)
    return [each for each in routes if each is not None]


def service_accounts(members: Mapping[str, Any]) -> list[str]:
    """The service accounts that an AgentOS lists: name, who made it, when it ends."""
    return [
        f"service account {name if is_principal_id(name) else 'without a readable name'};"
        f" made by {_who(each.get('created_by'))}, {_end(each.get('expires_at'))}"
        for name, each in _with_text(members.get("data"), "name")
    ]


def _who(subject: object) -> str:
    """Only ids: an AgentOS chooses the text, and readers of SARIF make links of brackets."""
    return subject if isinstance(subject, str) and is_principal_id(subject) else "an unknown caller"


def _end(seconds: object) -> str:
    if seconds is None:
        return "never ends"
    try:
        return f"ends on {datetime.fromtimestamp(int(str(seconds)), UTC):%Y-%m-%d}"
    except (ValueError, OverflowError, OSError):
        return "ends at an unknown time"


def is_addressable(id_: str) -> bool:
    """Whether an id, as a segment of a path, leads to no other path, even if decoded twice."""
    text = unquote(unquote(id_)).replace("\\", "/")
    return _DOTS.isdisjoint(text.split("/"))


def _name_of(id_: str, name: object) -> ComponentName:
    return ComponentName(id=id_, name=_text(name) or id_)


def _with_text(items: object, member: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The objects in a list of which that member is a text, with the text."""
    listed: Iterable[Any] = items[:_MOST] if isinstance(items, list) else ()
    for each in listed:
        if isinstance(each, dict) and (text := _text(each.get(member))):
            yield text, each


def _text(value: object) -> str | None:
    """A text that both databases store, shortened; None for anything else."""
    return value[:_LONGEST] if isinstance(value, str) and is_storable(value) else None


def _path(value: object) -> str | None:
    """A path to ask below the URL of the AgentOS, never another host."""
    path = _text(value)
    return path.rstrip("/") if path is not None and _PATH.fullmatch(path) else None


class Probed(NamedTuple):
    """Probes by their answer; one without an answer, or with another status, is in neither."""

    open: list[Probe]
    refused: list[Probe]


@dataclass(frozen=True)
class Observed:
    """What was asked of an AgentOS, and what it answered.

    `first_message` is what its WebSocket says by itself.
    """

    request: InspectionRequest
    answers: Mapping[Probe, ProbeAnswer]
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
        below = urlsplit(self.request.url).path
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
