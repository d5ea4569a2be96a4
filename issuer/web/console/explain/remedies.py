"""The smallest changes that would allow a refused request: each a sentence, a page, a command."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from issuer.clients import CLIENT
from issuer.composition import UnitOfWork
from issuer.directory import AudienceRecord, ClientRecord, Rights, UserRecord
from issuer.explain.explaining import holders_lacking
from issuer.resources import ResourceType
from issuer.roles import ROLE, Role
from issuer.scopes import AGENT_OS_ADMIN, ISSUER_ADMIN, counting_at, covers
from issuer.users import USER
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


@dataclass(frozen=True, slots=True)
class _Lacking:
    """A client or a user that lacks `scopes`."""

    type: ResourceType[Any, Any]
    key: str
    name: str
    rights: Rights
    scopes: tuple[str, ...]


def remedies(
    operator: Operator,
    commands: Commands,
    client: ClientRecord | None,
    user: UserRecord | None,
    audience: AudienceRecord,
    addition: Sequence[str],
) -> list[Remedy]:
    """Enable a disabled client or user; assign a role, widen roles, or the client itself."""
    found = [*_disabled(commands, client, user)]
    for each in _lacking(client, user, audience, addition):
        if operator.holds(ROLE.read):
            with operator.work(ROLE.read) as work:
                found += _assigned(commands, work, each, audience)
                found += _widened(commands, work, each, audience)
        if each.type is CLIENT:
            found.append(_direct(commands, each))
    return found


def allow_audience(commands: Commands, client: ClientRecord, audience: str) -> Remedy:
    """For a client that may not ask for tokens for it."""
    key = client.client_id
    command = commands.command(
        ("client", "update", key, "--add-audience", audience),
        "PATCH",
        ("clients", key),
        {"audiences": [*sorted(client.audiences), audience]},
    )
    text = f"Allow {key} to ask for tokens for {audience}."
    return Remedy(text, _page_of(CLIENT, key, "?edit=yes"), command)


def _disabled(
    commands: Commands, client: ClientRecord | None, user: UserRecord | None
) -> Iterator[Remedy]:
    for kind, key, disabled in (
        (CLIENT, client and client.client_id, client and client.disabled),
        (USER, user and user.id, user and user.disabled),
    ):
        if key and disabled:
            path = (kind.plural, key)
            command = commands.command(
                (kind.kind, "update", key, "--enabled"), "PATCH", path, {"disabled": False}
            )
            yield Remedy(f"Enable the {kind.kind} {key}.", _page_of(kind, key), command)


def _lacking(
    client: ClientRecord | None,
    user: UserRecord | None,
    audience: AudienceRecord,
    addition: Sequence[str],
) -> Iterator[_Lacking]:
    for each in holders_lacking(client, user, audience, addition):
        holder, scopes = each.holder, each.scopes
        if isinstance(holder, UserRecord):
            yield _Lacking(USER, holder.id, holder.username, holder.rights, scopes)
        else:
            yield _Lacking(CLIENT, holder.client_id, holder.client_id, holder.rights, scopes)


def _assigned(
    commands: Commands, work: UnitOfWork, lacking: _Lacking, audience: AudienceRecord
) -> Iterator[Remedy]:
    """The role that gives least beside what is lacking, of the first hundred; or a new one.

    Never one for an admin, unless only that will do.
    """
    kind, key = lacking.type, lacking.key
    page = work.roles.page(None, _CHOICES)
    fitting = [role for role in page if _gives(role, lacking.scopes, audience)]
    if fitting:
        role = min(fitting, key=lambda each: _excess(each, lacking.scopes)).name
        cli = (kind.kind, "role", "assign", key, role, "--audience", audience.id)
        path = (kind.plural, key, "roles", role)
        query = urlencode({"audience": audience.id})
        text = f"Assign {lacking.name} the role {role} at {audience.id}."
        command = commands.command(cli, "PUT", path, query=query)
        yield Remedy(text, _page_of(kind, key, "#roles"), command)
    elif not lacking.rights.roles_at(audience.id):
        options = [part for scope in lacking.scopes for part in ("--scope", scope)]
        body = {"name": _NAME, "scopes": list(lacking.scopes)}
        command = commands.command(("role", "create", _NAME, *options), "POST", ("roles",), body)
        text = f"Make a role with {_and(lacking.scopes)}, and assign it to {lacking.name}."
        yield Remedy(
            text, f"/console/roles?{urlencode({'add': ' '.join(lacking.scopes)})}", command
        )


def _excess(role: Role, scopes: Iterable[str]) -> tuple[bool, int]:
    """How much more than `scopes` the role gives, for comparison."""
    return not set(scopes) <= set(role.scopes), len(role.scopes)


def _gives(role: Role, scopes: Iterable[str], audience: AudienceRecord) -> bool:
    given = counting_at(role.scopes, own_audience=audience.is_own)
    if given & _ADMINS and not _ADMINS & set(scopes):
        return False
    return all(covers(given, scope) for scope in scopes)


def _widened(
    commands: Commands, work: UnitOfWork, lacking: _Lacking, audience: AudienceRecord
) -> Iterator[Remedy]:
    """Each role that it has there, if they are few."""
    names = sorted({grant.role for grant in lacking.rights.roles_at(audience.id)})
    for role in sorted(work.roles.named(names[:_ROLES]), key=lambda each: each.name):
        options = [part for scope in lacking.scopes for part in ("--add-scope", scope)]
        command = commands.command(
            ("role", "update", role.name, *options),
            "PATCH",
            ("roles", role.name),
            {"scopes": [*role.scopes, *lacking.scopes]},
        )
        text = f"Add {_and(lacking.scopes)} to the role {role.name}, for all who have it."
        query = urlencode({"edit": "yes", "add": " ".join(lacking.scopes)})
        yield Remedy(text, f"/console/roles/{segment(role.name)}?{query}", command)


def _direct(commands: Commands, lacking: _Lacking) -> Remedy:
    options = [part for scope in lacking.scopes for part in ("--add-scope", scope)]
    scopes = [*sorted(lacking.rights.direct), *lacking.scopes]
    command = commands.command(
        ("client", "update", lacking.key, *options),
        "PATCH",
        ("clients", lacking.key),
        {"scopes": scopes},
    )
    text = f"Give {_and(lacking.scopes)} to the client {lacking.key} itself."
    return Remedy(text, _page_of(CLIENT, lacking.key, "?edit=yes"), command)


def _page_of(kind: ResourceType[Any, Any], key: str, more: str = "") -> str:
    return f"/console/{kind.plural}/{segment(key)}{more}"


def _and(scopes: Sequence[str]) -> str:
    return " and ".join(scopes)
