"""The smallest changes that would allow a refused request: each a sentence, a page, a command."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from issuer.clients.client import CLIENT
from issuer.composition import UnitOfWork
from issuer.directory import AudienceRecord, ClientRecord, UserRecord
from issuer.explain.explaining import Explanation, Lacking, LackingRule
from issuer.resources import Command, ResourceType
from issuer.roles import ROLE, Assignment, Role
from issuer.roles.operations import assign_command
from issuer.scopes import AGENT_OS_ADMIN, ISSUER_ADMIN, counting_at, covers
from issuer.users import USER
from issuer.vocabulary import GrantType
from issuer.web.console.screens.operator import Operator
from issuer.web.words import page_of

_ADMINS = frozenset({AGENT_OS_ADMIN, ISSUER_ADMIN})
_ROLES = 3
_CHOICES = 100
_NAME = "new-role"


@dataclass(frozen=True, slots=True)
class Remedy:
    """`path` is that of the page where it is done, with its query."""

    text: str
    path: str
    command: Command = field(compare=False)


def remedies_for(operator: Operator, explanation: Explanation) -> Iterator[Remedy]:
    """What would allow a refused request, as far as the operator may see it.

    Allow acting and exchanging, enable a disabled client or user; assign a role, widen roles, or
    the client itself.
    """
    if (lacks := explanation.lacking_rule) is not None:
        yield _allow_acting(lacks)
    if (lacks_grant := explanation.lacking_grant) is not None:
        grant = GrantType.TOKEN_EXCHANGE
        text = f"Let {lacks_grant.client_id} use the grant type {grant.short}."
        yield _adding_to(lacks_grant, text, "grant_types", sorted(lacks_grant.grant_types), grant)
    for holder in explanation.disabled:
        kind, key, _ = _principal(holder)
        command = kind.update_command(key, {"disabled": False})
        yield Remedy(f"Enable the {kind.kind} {key}.", page_of(kind, key), command)
    for lacking in explanation.lacking:
        if operator.holds(ROLE.read):
            with operator.work(ROLE.read) as work:
                yield from [*_assign(work, lacking), *_widen(work, lacking)]
        if isinstance(client := lacking.holder, ClientRecord):
            scopes = lacking.scopes
            text = f"Give {' and '.join(scopes)} to the client {client.client_id} itself."
            yield _adding_to(client, text, "scopes", sorted(client.rights.direct), *scopes)


def _assign(work: UnitOfWork, lacking: Lacking) -> Iterator[Remedy]:
    """The role that gives least beside what is lacking, of the first hundred; or a new one.

    Never one for an admin, unless only that will do.
    """
    (kind, key, name), scopes = _principal(lacking.holder), lacking.scopes
    page, audience = work.roles.page(None, _CHOICES), lacking.audience
    fitting = [role for role in page if _gives(role, scopes, audience)]
    if fitting:
        role = min(fitting, key=lambda r: (not {*scopes} <= {*r.scopes}, len(r.scopes))).name
        assignment = Assignment(role=role, audience=audience.id)
        command = assign_command(kind, key, assignment)
        text = f"Assign {name} the role {role} at {audience.id}."
        yield Remedy(text, page_of(kind, key, "#roles"), command)
    elif not _roles_of(lacking):
        options = ROLE.members["scopes"].words("scopes", [*scopes])
        command = ROLE.create_command(_NAME, {"name": _NAME, "scopes": [*scopes]}, options)
        text = f"Make a role with {' and '.join(scopes)}, and assign it to {name}."
        yield Remedy(text, f"/console/roles?{urlencode({'add': ' '.join(scopes)})}", command)


def _widen(work: UnitOfWork, lacking: Lacking) -> Iterator[Remedy]:
    """Each role that it has there, if they are few."""
    scopes = lacking.scopes
    for role in sorted(work.roles.named(_roles_of(lacking)[:_ROLES]), key=lambda it: it.name):
        command = _adding(ROLE, role.name, "scopes", role.scopes, *scopes)
        text = f"Add {' and '.join(scopes)} to the role {role.name}, for all who have it."
        query = urlencode({"edit": "yes", "add": " ".join(scopes)})
        yield Remedy(text, page_of(ROLE, role.name, f"?{query}"), command)


def _roles_of(lacking: Lacking) -> list[str]:
    audience = lacking.audience
    grants = lacking.holder.rights.roles_at(audience.id, is_own=audience.is_own)
    return sorted({grant.role for grant in grants})


def allow_audience(client: ClientRecord, audience: str) -> Remedy:
    """For a client that may not ask for tokens for it."""
    text = f"Allow {client.client_id} to ask for tokens for {audience}."
    return _adding_to(client, text, "audiences", sorted(client.audiences), audience)


def _allow_acting(lacking: LackingRule) -> Remedy:
    """For a client that may not act there for people from that audience."""
    client, origin, at = lacking.client, lacking.rule.from_audience, lacking.rule.to_audience
    held = sorted((each.from_audience, each.to_audience) for each in client.may_act)
    rules = [{"from": start, "to": end} for start, end in [*held, (origin, at)]]
    text = f"Let {client.client_id} act at {at} for people from {origin}."
    return _adding_to(client, text, "may_act", rules[:-1], rules[-1])


def _adding_to(
    client: ClientRecord, text: str, member: str, held: Sequence[Any], *more: Any
) -> Remedy:
    key = client.client_id
    command = _adding(CLIENT, key, member, held, *more)
    return Remedy(text, page_of(CLIENT, key, "?edit=yes"), command)


def _adding(
    kind: ResourceType[Any, Any], key: str, member: str, held: Sequence[Any], *more: Any
) -> Command:
    """The command that adds values to a member, which has those that are held."""
    options = kind.members[member].words(member, [*more], "add")
    return kind.update_command(key, {member: [*held, *more]}, options)


def _principal(holder: ClientRecord | UserRecord) -> tuple[ResourceType[Any, Any], str, str]:
    """The type and key of a holder, and what people call it."""
    if isinstance(holder, UserRecord):
        return USER, holder.id, holder.username
    return CLIENT, holder.client_id, holder.client_id


def _gives(role: Role, scopes: Iterable[str], audience: AudienceRecord) -> bool:
    given = counting_at(role.scopes, own_audience=audience.is_own)
    if given & _ADMINS and not _ADMINS & set(scopes):
        return False
    return all(covers(given, scope) for scope in scopes)
