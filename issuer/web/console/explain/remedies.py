"""The smallest changes that would allow a refused request: each a sentence, a page, a command."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from issuer.clients.client import CLIENT
from issuer.composition import UnitOfWork
from issuer.directory import AudienceRecord, ClientRecord, RoleGrant, UserRecord
from issuer.explain.explaining import Lacking, LackingRule, holders_lacking
from issuer.resources import Command, ResourceType
from issuer.roles import ROLE, Assignment, Role
from issuer.roles.operations import command_of
from issuer.scopes import AGENT_OS_ADMIN, ISSUER_ADMIN, counting_at, covers
from issuer.users import USER
from issuer.vocabulary import GrantType
from issuer.web.console.screens.operator import Operator
from issuer.web.words import segment

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


@dataclass(frozen=True)
class Remedies:
    """What would allow a request at the audience, as far as the operator may see it."""

    operator: Operator
    audience: AudienceRecord

    def all(
        self, client: ClientRecord | None, user: UserRecord | None, addition: Sequence[str]
    ) -> Iterator[Remedy]:
        """Enable a disabled client or user; assign a role, widen roles, or the client itself."""
        for each in (client, user):
            if each is not None and each.disabled:
                yield self._enable(each)
        for lacking in holders_lacking(client, user, self.audience, addition):
            if self.operator.holds(ROLE.read):
                with self.operator.work(ROLE.read) as work:
                    yield from [*self._assign(work, lacking), *self._widen(work, lacking)]
            if isinstance(lacking.holder, ClientRecord):
                yield self._direct(lacking.holder, lacking.scopes)

    def _enable(self, holder: ClientRecord | UserRecord) -> Remedy:
        kind, key, _ = _principal(holder)
        command = kind.update_command(key, {"disabled": False})
        return Remedy(f"Enable the {kind.kind} {key}.", _page_of(kind, key), command)

    def _assign(self, work: UnitOfWork, lacking: Lacking) -> Iterator[Remedy]:
        """The role that gives least beside what is lacking, of the first hundred; or a new one.

        Never one for an admin, unless only that will do.
        """
        (kind, key, name), scopes = _principal(lacking.holder), lacking.scopes
        page = work.roles.page(None, _CHOICES)
        fitting = [role for role in page if _gives(role, scopes, self.audience)]
        if fitting:
            role = min(fitting, key=lambda r: (not {*scopes} <= {*r.scopes}, len(r.scopes))).name
            assignment = Assignment(role=role, audience=self.audience.id)
            command = command_of(kind, "assign", key, assignment, "")
            text = f"Assign {name} the role {role} at {self.audience.id}."
            yield Remedy(text, _page_of(kind, key, "#roles"), command)
        elif not self._roles_of(lacking):
            options = ROLE.members["scopes"].words("scopes", [*scopes])
            members = {"name": _NAME, "scopes": [*scopes]}
            command = ROLE.create_command(_NAME, members, options)
            text = f"Make a role with {' and '.join(scopes)}, and assign it to {name}."
            yield Remedy(text, f"/console/roles?{urlencode({'add': ' '.join(scopes)})}", command)

    def _widen(self, work: UnitOfWork, lacking: Lacking) -> Iterator[Remedy]:
        """Each role that it has there, if they are few."""
        scopes = lacking.scopes
        names = sorted({grant.role for grant in self._roles_of(lacking)})
        for role in sorted(work.roles.named(names[:_ROLES]), key=lambda each: each.name):
            command = _adding(ROLE, role.name, "scopes", role.scopes, *scopes)
            text = f"Add {' and '.join(scopes)} to the role {role.name}, for all who have it."
            query = urlencode({"edit": "yes", "add": " ".join(scopes)})
            yield Remedy(text, _page_of(ROLE, role.name, f"?{query}"), command)

    def _roles_of(self, lacking: Lacking) -> list[RoleGrant]:
        audience = self.audience
        return lacking.holder.rights.roles_at(audience.id, is_own=audience.is_own)

    def _direct(self, client: ClientRecord, scopes: Sequence[str]) -> Remedy:
        text = f"Give {' and '.join(scopes)} to the client {client.client_id} itself."
        return _adding_to(client, text, "scopes", sorted(client.rights.direct), *scopes)


def allow_audience(client: ClientRecord, audience: str) -> Remedy:
    """For a client that may not ask for tokens for it."""
    text = f"Allow {client.client_id} to ask for tokens for {audience}."
    return _adding_to(client, text, "audiences", sorted(client.audiences), audience)


def allow_acting(lacking: LackingRule) -> Remedy:
    """For a client that may not act there for people from that audience."""
    client, origin, at = lacking.client, lacking.rule.from_audience, lacking.rule.to_audience
    held = sorted((each.from_audience, each.to_audience) for each in client.may_act)
    rules = [{"from": start, "to": end} for start, end in [*held, (origin, at)]]
    text = f"Let {client.client_id} act at {at} for people from {origin}."
    return _adding_to(client, text, "may_act", rules[:-1], rules[-1])


def allow_exchange(client: ClientRecord) -> Remedy:
    """For a client without the grant type of token exchanges."""
    grant = GrantType.TOKEN_EXCHANGE
    text = f"Let {client.client_id} use the grant type {grant.short}."
    return _adding_to(client, text, "grant_types", sorted(client.grant_types), grant)


def _adding_to(
    client: ClientRecord, text: str, member: str, held: Sequence[Any], *more: Any
) -> Remedy:
    key = client.client_id
    command = _adding(CLIENT, key, member, held, *more)
    return Remedy(text, _page_of(CLIENT, key, "?edit=yes"), command)


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


def _page_of(kind: ResourceType[Any, Any], key: str, more: str = "") -> str:
    return f"/console/{kind.plural}/{segment(key)}{more}"
