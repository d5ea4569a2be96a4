"""The checks of an inspection: pure functions of the answers.

Each gives the evidence for every exposure that it finds, as a sentence without a full stop.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias
from urllib.parse import urlsplit

from issuer.fields.urls import LOOPBACK
from issuer.inspection.observed import (
    CONFIG,
    INFO,
    METRICS,
    SERVICE_ACCOUNTS,
    SOCKET,
    WITHOUT,
    Observed,
)
from issuer.inspection.probing import FOREIGN_ORIGIN, Probe
from issuer.inspection.tokens import TokenKind

_OLDEST = (2, 7, 2)
_NAMED = 3

Check: TypeAlias = Callable[[Observed], Iterable[str]]


def no_verification(observed: Observed) -> Iterator[str]:
    opened, refused = observed.partition(observed.routes())
    if opened and not refused:
        yield _some(observed, opened)


def open_routes(observed: Observed) -> Iterator[str]:
    """Some routes of an AgentOS that verifies tokens elsewhere."""
    if not next(no_verification(observed), None):
        probes = [*observed.routes(), *observed.routes_of_components()]
        yield from observed.open_ones(each for each in probes if each.path != METRICS)


def public_metrics(observed: Observed) -> Iterator[str]:
    if not next(no_verification(observed), None):
        yield from observed.open_ones([Probe(METRICS)])


def open_socket(observed: Observed) -> Iterator[str]:
    if observed.first_message.get("requires_auth") is False:
        yield f"GET {SOCKET} as a WebSocket {TokenKind.NONE}: 101, and requires_auth is false"


def open_mcp(observed: Observed) -> Iterator[str]:
    """A GET that is no MCP request is 400, 405 or 406, after the token is verified."""
    for probe in observed.mcp():
        answer = observed.answers.get(probe)
        if answer and (answer.is_open or answer.status in {400, 405, 406}):
            yield observed.says(probe)


def open_a2a(observed: Observed) -> Iterator[str]:
    if opened := [each for each in observed.agent_cards() if observed.is_open(each)]:
        yield _some(observed, opened)


def open_agui(observed: Observed) -> Iterator[str]:
    yield from observed.open_ones(observed.agui())


def no_rights_needed(observed: Observed) -> Iterator[str]:
    """Most routes: without scopes, the routers of agno still refuse some lists."""
    opened, refused = observed.partition(observed.routes(TokenKind.NO_RIGHTS))
    if observed.accepts and len(opened) > len(refused):
        yield _some(observed, opened)


def routes_without_rights(observed: Observed) -> Iterator[str]:
    if observed.accepts and not next(no_rights_needed(observed), None):
        for each in observed.routes(TokenKind.NO_RIGHTS):
            if observed.is_open(each) and not observed.is_open(Probe(each.path)):
                yield observed.says(each)


def accepts_forged(observed: Observed) -> Iterator[str]:
    return _requests_open(observed, TokenKind.FORGED)


def accepts_other_audience(observed: Observed) -> Iterator[str]:
    return _requests_open_unless_forged(observed, TokenKind.OTHER_AUDIENCE)


def accepts_secret_of_example(observed: Observed) -> Iterator[str]:
    kinds = (TokenKind.DEVELOPMENT, TokenKind.OTHER_DEVELOPMENT)
    return _requests_open_unless_forged(observed, *kinds)


def _requests_open_unless_forged(observed: Observed, *kinds: TokenKind) -> Iterator[str]:
    """Nothing where every token is accepted, which is another rule."""
    if not next(accepts_forged(observed), None):
        yield from _requests_open(observed, *kinds)


def _requests_open(observed: Observed, *kinds: TokenKind) -> Iterator[str]:
    """The configuration is refused without a token, and not for the reason of the token."""
    for probe in (Probe(CONFIG.path, kind) for kind in kinds):
        answer = observed.answers.get(probe)
        if observed.verifies and answer and answer.accepts_token:
            yield observed.says(probe)


def issuer_refused(observed: Observed) -> Iterator[str]:
    if observed.verifies and observed.is_unauthorized(CONFIG):
        yield observed.says(CONFIG)


def names_refused(observed: Observed) -> Iterator[str]:
    if observed.answers[CONFIG].is_forbidden:
        yield observed.says(CONFIG)


def no_verifier(observed: Observed) -> Iterator[str]:
    if observed.accepts and not any(observed.request.verifiers):
        yield "It accepts tokens of this issuer, and no verifier reported in the last three minutes"


def no_isolation(observed: Observed) -> Iterator[str]:
    if observed.verifies and observed.info.get("user_isolation") is False:
        yield f"{observed.says(INFO)}, and user_isolation is false"


def old_version(observed: Observed) -> Iterator[str]:
    version = observed.components.agno_version or ""
    numbers = tuple(int(each) for each in re.findall(r"\d{1,6}", version)[:3])
    if numbers and numbers < _OLDEST:
        # Only numbers: an AgentOS chooses the text, and readers of SARIF make links of brackets.
        yield f"{observed.says(INFO)}, and agno_version is {'.'.join(map(str, numbers))}"


def any_origin(observed: Observed) -> Iterator[str]:
    allowed = observed.answers[INFO].headers.get("access-control-allow-origin")
    if allowed in {"*", FOREIGN_ORIGIN}:
        yield f"{observed.says(INFO)}, and a page of any origin may read it"


def cleartext(observed: Observed) -> Iterator[str]:
    parts = urlsplit(observed.request.url)
    if parts.scheme == "http" and parts.hostname not in LOOPBACK:
        yield f"{observed.request.url} is not https"


def public_documentation(observed: Observed) -> Iterator[str]:
    if opened := [each for each in observed.documentation() if observed.is_open(each)]:
        yield _some(observed, opened)


def public_server_card(observed: Observed) -> Iterator[str]:
    yield from observed.open_ones(observed.server_cards())


def no_resource_document(observed: Observed) -> Iterator[str]:
    for each in observed.resource_documents():
        if each in observed.answers and not observed.answers[each].members:
            yield observed.says(each)


def other_issuer_named(observed: Observed) -> Iterator[str]:
    for each in observed.resource_documents():
        members = observed.answers[each].members if each in observed.answers else {}
        named = members.get("authorization_servers")
        if members and not (isinstance(named, list) and observed.request.issuer in named):
            yield f"{observed.says(each)}, and authorization_servers lacks this issuer"


def no_challenge(observed: Observed) -> Iterator[str]:
    has_document = not any(no_resource_document(observed))
    challenge = observed.answers[WITHOUT].headers.get("www-authenticate", "")
    if observed.verifies and has_document and "resource_metadata" not in challenge:
        yield f"{observed.says(WITHOUT)}, without resource_metadata in WWW-Authenticate"


def service_accounts(observed: Observed) -> Iterator[str]:
    for each in observed.service_accounts():
        yield f"{observed.says(SERVICE_ACCOUNTS)}, {each}"


def no_answer(observed: Observed) -> Iterator[str]:
    if unanswered := observed.without_answer():
        yield _some(observed, unanswered)


def _some(observed: Observed, probes: list[Probe]) -> str:
    """The first with its status, and how many more paths."""
    first = probes[0]
    more = [path for path in dict.fromkeys(each.path for each in probes) if path != first.path]
    others = f", {len(more) - _NAMED} others" if len(more) > _NAMED else ""
    return observed.says(first) + (f"; also {', '.join(more[:_NAMED])}{others}" if more else "")
