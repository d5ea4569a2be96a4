"""The smallest changes that would allow a refused request: each a sentence, a page, a command."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from issuer.clients.client import CLIENT
from issuer.composition import UnitOfWork
from issuer.directory import AudienceRecord, ClientRecord, MayAct, RoleGrant, UserRecord
from issuer.explain.explaining import Lacking, holders_lacking
from issuer.resources import ResourceType
from issuer.roles import ROLE, Assignment, Role
from issuer.scopes import AGENT_OS_ADMIN, ISSUER_ADMIN, counting_at, covers
from issuer.users import USER
from issuer.vocabulary import GrantType
from issuer.web.console.screens.commands import Commands
from issuer.web.console.screens.operator import Operator
from issuer.web.console.screens.views import Command
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
    command: Command


@dataclass(frozen=True)
class Remedies:
    """What would allow a request at the audience, as far as the operator may see it."""

    operator: Operator
    commands: Commands
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
        command = self.commands.of_resources(
            kind, ("update", key, "--enabled"), "PATCH", (key,), {"disabled": False}
        )
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
            command = self.commands.assignment(kind, key, assignment, "assign")
            text = f"Assign {name} the role {role} at {self.audience.id}."
            yield Remedy(text, _page_of(kind, key, "#roles"), command)
        elif not self._roles_of(lacking):
            body = {"name": _NAME, "scopes": list(scopes)}
            cli = ("create", _NAME, *_options("--scope", scopes))
            command = self.commands.of_resources(ROLE, cli, "POST", (), body)
            text = f"Make a role with {' and '.join(scopes)}, and assign it to {name}."
            yield Remedy(text, f"/console/roles?{urlencode({'add': ' '.join(scopes)})}", command)

    def _widen(self, work: UnitOfWork, lacking: Lacking) -> Iterator[Remedy]:
        """Each role that it has there, if they are few."""
        scopes = lacking.scopes
        names = sorted({grant.role for grant in self._roles_of(lacking)})
        for role in sorted(work.roles.named(names[:_ROLES]), key=lambda each: each.name):
            cli = ("update", role.name, *_options("--add-scope", scopes))
            body = {"scopes": [*role.scopes, *scopes]}
            command = self.commands.of_resources(ROLE, cli, "PATCH", (role.name,), body)
            text = f"Add {' and '.join(scopes)} to the role {role.name}, for all who have it."
            query = urlencode({"edit": "yes", "add": " ".join(scopes)})
            yield Remedy(text, _page_of(ROLE, role.name, f"?{query}"), command)

    def _roles_of(self, lacking: Lacking) -> list[RoleGrant]:
        audience = self.audience
        return lacking.holder.rights.roles_at(audience.id, is_own=audience.is_own)

    def _direct(self, client: ClientRecord, scopes: Sequence[str]) -> Remedy:
        key = client.client_id
        cli = ("update", key, *_options("--add-scope", scopes))
        body = {"scopes": [*sorted(client.rights.direct), *scopes]}
        command = self.commands.of_resources(CLIENT, cli, "PATCH", (key,), body)
        text = f"Give {' and '.join(scopes)} to the client {key} itself."
        return Remedy(text, _page_of(CLIENT, key, "?edit=yes"), command)


def allow_audience(commands: Commands, client: ClientRecord, audience: str) -> Remedy:
    """For a client that may not ask for tokens for it."""
    key = client.client_id
    cli, body = ("update", key, "--add-audience", audience), [*sorted(client.audiences), audience]
    command = commands.of_resources(CLIENT, cli, "PATCH", (key,), {"audiences": body})
    text = f"Allow {key} to ask for tokens for {audience}."
    return Remedy(text, _page_of(CLIENT, key, "?edit=yes"), command)


def allow_acting(commands: Commands, client: ClientRecord, rule: MayAct) -> Remedy:
    """For a client that may not act there for people from that audience."""
    key, wanted = client.client_id, (rule.from_audience, rule.to_audience)
    cli = ("update", key, "--add-may-act", "=".join(wanted))
    rules = sorted({wanted, *((each.from_audience, each.to_audience) for each in client.may_act)})
    body = {"may_act": [{"from": start, "to": end} for start, end in rules]}
    command = commands.of_resources(CLIENT, cli, "PATCH", (key,), body)
    text = f"Let {key} act at {rule.to_audience} for people from {rule.from_audience}."
    return Remedy(text, _page_of(CLIENT, key, "?edit=yes"), command)


def allow_exchange(commands: Commands, client: ClientRecord) -> Remedy:
    """For a client without the grant type of token exchanges."""
    key, grant = client.client_id, GrantType.TOKEN_EXCHANGE
    cli = ("update", key, "--add-grant-type", grant.value)
    body = {"grant_types": [*sorted(client.grant_types), grant]}
    command = commands.of_resources(CLIENT, cli, "PATCH", (key,), body)
    text = f"Let {key} use the grant type {grant.short}."
    return Remedy(text, _page_of(CLIENT, key, "?edit=yes"), command)


def _principal(holder: ClientRecord | UserRecord) -> tuple[ResourceType[Any, Any], str, str]:
    """The type and key of a holder, and what people call it."""
    if isinstance(holder, UserRecord):
        return USER, holder.id, holder.username
    return CLIENT, holder.client_id, holder.client_id


def _options(name: str, scopes: Iterable[str]) -> list[str]:
    return [part for scope in scopes for part in (name, scope)]


def _gives(role: Role, scopes: Iterable[str], audience: AudienceRecord) -> bool:
    given = counting_at(role.scopes, own_audience=audience.is_own)
    if given & _ADMINS and not _ADMINS & set(scopes):
        return False
    return all(covers(given, scope) for scope in scopes)


def _page_of(kind: ResourceType[Any, Any], key: str, more: str = "") -> str:
    return f"/console/{kind.plural}/{segment(key)}{more}"
