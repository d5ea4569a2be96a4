"""What a person may use: each AgentOS, with the agents, teams and workflows to run, in words."""

from dataclasses import dataclass
from datetime import datetime

from issuer.audiences import Audience
from issuer.catalogue.permissions import PermissionGroup, in_words, runs_something
from issuer.directory import AudienceRecord, Rights
from issuer.inspection.components import Components, names_of

MOST_USABLE = 100


@dataclass(frozen=True, slots=True)
class UsableAgentOS:
    """An AgentOS, with what somebody may run there; if that is nothing, what else they may do.

    `url` leads there, if it is known. At `ends_at` the first of it ends; all of it, unless it ends
    `in_part`.
    """

    id: str
    name: str
    url: str
    may: tuple[PermissionGroup, ...]
    ends_at: datetime | None
    in_part: bool


def usable(
    rights: Rights, audience: Audience, inspected: Components | None
) -> UsableAgentOS | None:
    """What these rights allow at an AgentOS; None if that is nothing.

    Names are those that the last inspection found. Of others, only what a right names is told.
    """
    held = rights.scopes_at(audience.id, is_own=False)
    shown = frozenset(filter(runs_something, held)) or held
    if not shown:
        return None
    at = _record_of(audience)
    ends = {rights.end_of([scope], at) for scope in shown}
    names = names_of([inspected] if inspected else [])
    return UsableAgentOS(
        id=audience.id,
        name=audience.name or audience.id,
        url=_link(audience.url),
        may=in_words(shown, names),
        ends_at=min(filter(None, ends), default=None),
        in_part=len(ends) > 1,
    )


def _record_of(audience: Audience) -> AudienceRecord:
    alg = audience.algorithm
    return AudienceRecord(
        audience.id, alg, access_token_ttl=None, include_roles=False, is_own=False
    )


def _link(url: str | None) -> str:
    """The URL, if a browser opens it as a page of another server."""
    return url if url and url.startswith(("https://", "http://")) else ""
