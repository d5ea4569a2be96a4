"""The smallest rights that cover what was used, as a manifest."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from issuer.clients.client import CLIENT, Client
from issuer.errors import NotAllowed, NotFound
from issuer.fields.ids import fold_id, is_principal_id
from issuer.fields.times import utc
from issuer.manifest import current
from issuer.manifest.entries import bare, entry_model, in_order, members, own_assignments
from issuer.resources import ResourceType
from issuer.review.evidence import UNUSED_FOR, Reviewable, ReviewedPrincipal, Rows, UsageEvidence
from issuer.review.exchanges import smallest
from issuer.roles import ROLE, Assignment
from issuer.scopes import AGENT_OS_ADMIN, counting_at
from issuer.users import USER, User

_LONGEST_NAME, _AT = 128, "-at-"
_ASKED = "Whoever names scopes in a token request must name the new ones, or none."
_LIFTS = (
    "agent_os:admin also shows what belongs to other users where the AgentOS isolates users. The"
    " reports cannot tell whether that is needed."
)


@dataclass(frozen=True, slots=True)
class Proposal:
    """Fewer rights for one client or user: by audience, what it holds and what is enough.

    `manifest` gives exactly that, to the configuration at `change_count`. Nobody applies it
    automatically. `note` is what the reports cannot tell.
    """

    change_count: int
    before: Mapping[str, frozenset[str]]
    after: Mapping[str, frozenset[str]]
    manifest: Mapping[str, Any]
    note: str = ""

    def as_json(self) -> dict[str, Any]:
        return {
            "change_count": self.change_count,
            "held": {each: sorted(scopes) for each, scopes in self.before.items()},
            "enough": {each: sorted(scopes) for each, scopes in self.after.items()},
            "manifest": dict(self.manifest),
            "note": self.note,
        }


def propose(
    work: Reviewable, name: str, now: datetime, unused_for: timedelta = UNUSED_FOR
) -> Proposal:
    """The smallest rights of the client or user `name` that cover what was used in 90 days.

    Nothing is changed: `manifest` is for `issuer plan`. `NotFound` for an unknown name;
    `NotAllowed` where the reports or the way in which it holds its rights do not allow a proposal.
    """
    count = work.change_count()  # read first, so that no row is older
    evidence = UsageEvidence(work, now, unused_for)
    resource = _resource(work, name)
    ((holder, rows),) = evidence.rows([evidence.holder(resource)])
    _require_known(evidence, holder, rows)
    held: dict[str, set[str]] = {}
    used: dict[str, set[str]] = {}
    for row in rows:
        held.setdefault(row.audience, set()).add(row.scope)
        # What was given within the period may be needed later.
        used.setdefault(row.audience, set()).update({row.scope} if row.verdict == "unknown" else ())
    for audience in used:
        used[audience] |= holder.needs_at(audience)
    enough = {audience: smallest(scopes, used[audience]) for audience, scopes in held.items()}
    had_admin = any(AGENT_OS_ADMIN in held[each] - enough[each] for each in held)
    return Proposal(
        count,
        {audience: frozenset(scopes) for audience, scopes in held.items()},
        enough,
        _manifest(evidence, holder, resource, enough),
        f"{_ASKED} {_LIFTS}" if had_admin else _ASKED,
    )


def _require_known(evidence: UsageEvidence, holder: ReviewedPrincipal, rows: Rows) -> None:
    if not rows:
        raise NotAllowed(f"{holder.principal} holds no scope at any AgentOS.")
    for audience in dict.fromkeys(row.audience for row in rows):
        if reason := evidence.coverage[audience].reason:
            raise NotAllowed(f"What is used at {audience} is unknown: {reason}.")
    for role in holder.roles:
        if role.via is not None:
            raise NotAllowed(f"{holder.principal} holds {role}: review the group instead.")
    for row in rows:
        if row.expires_at is not None:  # a new assignment would not end
            raise NotAllowed(f"{holder.principal} holds {row.scope} until {utc(row.expires_at)}.")


def _resource(work: Reviewable, name: str) -> Client | User:
    clients, users = work.collection(CLIENT), work.collection(USER)
    if clients.exists(name):
        client: Client = clients.get(name)
        if current.is_self_registered(client):
            raise NotAllowed(f"The client {name} registered itself, and has no rights of its own.")
        return client
    if users.exists(name):
        return users.get(name)
    raise NotFound("client or user", name)


def _manifest(
    evidence: UsageEvidence,
    holder: ReviewedPrincipal,
    resource: Client | User,
    enough: Mapping[str, frozenset[str]],
) -> dict[str, Any]:
    """The whole entry of the holder in a manifest, with roles that give exactly `enough`."""
    roles = [each for each in own_assignments(holder.roles) if _is_of_issuer(evidence, each)]
    by_role = {audience: scopes for audience, scopes in enough.items() if scopes}
    resource_type: ResourceType[Any, Any] = USER
    own: dict[str, Any] = {"id": holder.principal.id}
    if isinstance(resource, Client):
        resource_type = CLIENT
        own = {"scopes": sorted(counting_at(resource.scopes, own_audience=True))}
        if len(holder.audiences) == 1:  # own scopes count at all audiences of a client
            own["scopes"] += sorted(*enough.values())
            by_role = {}
    new_roles = []
    for audience, scopes in by_role.items():
        name = _role_name(holder.principal.id, audience)
        _require_its_own(evidence, holder, name, audience)
        new_roles.append({"name": name, "scopes": sorted(scopes)})
        roles.append(Assignment(role=name, audience=audience))
    declared = [each.model_dump(mode="json", exclude_defaults=True) for each in in_order(roles)]
    entry = {**members(bare(resource_type.fields, resource)), **own, "roles": declared}
    entry_model(resource_type.attribute).read(entry)
    made = {ROLE.attribute: new_roles} if new_roles else {}
    return made | {resource_type.attribute: [entry]}


def _role_name(principal_id: str, audience: str) -> str:
    """A name for the role of one principal at one audience: always the same, and of no other two.

    It ends in a digest if another principal and audience could have the same name without one.
    """
    name, at = f"{principal_id}{_AT}{audience}", len(principal_id)
    if is_principal_id(name) and name.find(_AT) == name.rfind(_AT) == at:
        return name
    digest = hashlib.sha256(f"{principal_id} {audience}".encode()).hexdigest()[:16]
    readable = re.sub(r"[^A-Za-z0-9._~@+|:-]", "-", name)
    return f"{readable[: _LONGEST_NAME - len(digest) - 1]}-{digest}"


def _require_its_own(
    evidence: UsageEvidence, holder: ReviewedPrincipal, role: str, audience: str
) -> None:
    """`NotAllowed` if others have the role, or it counts elsewhere: it would change there too."""
    assignments = evidence.work.assignments
    others = {*assignments.principals_assigned(role, "", 2)} - {fold_id(holder.principal.id)}
    places = assignments.audiences_of_roles([role], 2)
    if others or assignments.providers_of(role, 1) or {*places} - {(role, audience)}:
        raise NotAllowed(
            f"The role {role}, which {holder.principal} would get at {audience}, is held elsewhere"
            " as well: unassign it there first."
        )


def _is_of_issuer(evidence: UsageEvidence, assignment: Assignment) -> bool:
    """Whether the role gives rights at the issuer itself, which no verifier reports about."""
    scopes = evidence.roles[assignment.role].scopes
    of_issuer = counting_at(scopes, own_audience=True)
    if of_issuer and of_issuer != set(scopes):
        raise NotAllowed(
            f"The role {assignment.role} gives rights at the issuer and at an AgentOS: split it."
        )
    return bool(of_issuer)
