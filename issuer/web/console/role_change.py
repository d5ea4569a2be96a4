"""A change of a role: its form, what would change for whom, then exactly that."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial

from starlette.responses import Response

from issuer.catalogue import ScopeEntry, ScopeFinding
from issuer.errors import InUse, InvalidField
from issuer.fields.text import escaped
from issuer.manifest.changes import Shift
from issuer.manifest.rights import role_effect
from issuer.roles import ROLE, Role, RoleFields
from issuer.web.console.rights.effective_rights import (
    allow_if_ticked,
    findings,
    known_scopes,
    one_a_line,
    ticked,
    typed_scopes,
)
from issuer.web.console.rights.holders import holders
from issuer.web.console.screens.collection import ResourceAction, differing
from issuer.web.console.screens.form_fields import field_errors
from issuer.web.console.screens.operator import readable
from issuer.web.console.screens.views import MOST_COUNTED, Command, ConsolePage, Typed, counted

_CONSIDERED = 50  # principals
_BAD_REQUEST, _CONFLICT = 400, 409


@dataclass(frozen=True)
class RoleChange(ResourceAction):
    TYPE = ROLE
    role: Role

    @property
    def key(self) -> str:
        return self.role.name


@dataclass(frozen=True, kw_only=True)
class EditRolePage(ConsolePage):
    TEMPLATE = "console/edit_role.html"
    role: Role
    known: list[ScopeEntry]

    @property
    def title(self) -> str:
        return f"Edit {self.role.name}"


@dataclass(frozen=True, kw_only=True)
class ReviewRolePage(ConsolePage):
    """What the change adds and removes, and what it means for `considered` principals.

    `total` have the role; `unseen` are the kinds that the operator may not read.
    """

    TEMPLATE = "console/review_role.html"
    role: Role
    added: tuple[str, ...]
    removed: tuple[str, ...]
    findings: tuple[ScopeFinding, ...]
    shifts: tuple[Shift, ...]
    considered: int
    unaffected: int
    more: str
    unseen: tuple[str, ...]

    @property
    def title(self) -> str:
        return f"Change {self.role.name}?"


def read_role(form: Mapping[str, str], name: str = "") -> RoleFields:
    """The role of a form, or with `name` the existing one; `InvalidField` if it cannot be one."""
    members: dict[str, object] = {"name": name or form.get("name", "").strip()}
    members |= {"description": form.get("description", "").strip()}
    return RoleFields.read(members | {"scopes": typed_scopes(form)})


def edit(change: RoleChange) -> Response:
    return change.edit_form(_page(change), change.form)


def review(change: RoleChange) -> Response:
    """Who gains or loses which scope where; nothing is changed yet."""
    role, form, operator = change.role, change.form, change.operator
    if form.get("version") != str(role.version):
        return _conflict(change)
    try:
        fields = read_role(form, role.name)
        with operator.work(ROLE.read) as work:
            allow_if_ticked(work, form)
            work.roles.reject_misspelled(role, fields)
            work.authority.authorize_change(scopes=fields.scopes)
            effect = role_effect(work, role, fields, readable(operator), _CONSIDERED)
            total = work.assignments.count_holders(role.name, MOST_COUNTED)
    except InvalidField as error:
        return change.edit_form(_page(change), form, field_errors(error), _BAD_REQUEST)
    considered, seen = len(effect.considered), {each.kind for each in readable(operator)}
    more = max(0, total - considered)
    page = ReviewRolePage(
        frame=change.endpoint.frame(operator, change.visit),
        commands=(_command(change, fields),),
        role=role,
        values=Typed(_typed(fields, role) | ticked(form)),
        added=_without(fields.scopes, role.scopes),
        removed=_without(role.scopes, fields.scopes),
        findings=findings(fields.scopes),
        shifts=effect.shifts,
        considered=considered,
        unaffected=considered - len({each.principal for each in effect.shifts}),
        more=counted(more, total) if more else "",
        unseen=tuple(f"{kind}s" for kind in ("client", "user") if kind not in seen),
    )
    return change.endpoint.site.pages.answer(page)


def apply(change: RoleChange) -> Response:
    """The change that was reviewed, unless the role is another one now."""
    role, form = change.role, change.form
    try:
        fields = read_role(form, role.name)
        with change.operator.work(ROLE.write) as work:
            now = work.roles.get(role.name)
            allow_if_ticked(work, form)
            if is_same := form.get("version") == str(now.version):
                work.roles.replace(role.name, fields)
    except InvalidField as error:
        return change.edit_form(_page(change), form, field_errors(error), _BAD_REQUEST)
    if not is_same:
        return _conflict(replace(change, role=now))
    return change.finished(f"The role {role.name} is changed.", _command(change, fields))


def _conflict(change: RoleChange) -> Response:
    """Both versions: what was typed, and below it what the role is now."""
    role = change.role
    now = {"description": role.description, "scopes": one_a_line(role.scopes)}
    typed = {**change.form, "version": str(role.version)}
    present = differing(now, typed, now)
    return change.edit_form(_page(change), typed, status=_CONFLICT, present=present)


def _page(change: RoleChange) -> partial[EditRolePage]:
    return partial(EditRolePage, role=change.role, known=known_scopes())


def _typed(fields: RoleFields, role: Role) -> dict[str, str]:
    typed = {"description": fields.description, "scopes": one_a_line(fields.scopes)}
    return typed | {"version": str(role.version)}


def _without(scopes: Iterable[str], others: Iterable[str]) -> tuple[str, ...]:
    left = set(others)
    return tuple(scope for scope in scopes if scope not in left)


def _command(change: RoleChange, fields: RoleFields) -> Command:
    role = change.role
    options = [part for s in _without(fields.scopes, role.scopes) for part in ("--add-scope", s)]
    options += [p for s in _without(role.scopes, fields.scopes) for p in ("--remove-scope", s)]
    patch: dict[str, object] = {"scopes": fields.scopes} if options else {}
    if fields.description != role.description:
        options += ["--description", fields.description]
        patch |= {"description": fields.description}
    return change.command(("update", role.name, *options), "PATCH", body=patch)


_NAMED = 5


def delete_role(change: RoleChange) -> Response:
    cascade = change.form.get("cascade") == "yes"
    if not change.is_confirmed:
        return _asked(change)
    if cascade and not change.has_typed(change.key):
        return _asked(change, f"Type {change.key} to confirm.")
    try:
        with change.operator.work(ROLE.write) as work:
            work.roles.delete(change.key, cascade=cascade)
    except InUse:  # assigned since the page was shown
        return _asked(change)
    command = change.deletion(cascade=cascade)
    text = f"The role {change.key} is deleted."
    return change.endpoint.finished("/console/roles", text, command)


def _asked(change: RoleChange, error: str = "") -> Response:
    with change.operator.work(ROLE.read) as work:
        number = work.assignments.count_holders(change.key, MOST_COUNTED)
        some = holders(change.operator, work, change.key, "", "").items[:_NAMED]
    why, fields = "No client or user has it.", {"do": "delete"}
    if number:
        names = ", ".join(f"{each.kind} {escaped(each.name)}" for each in some)
        more = f" and {number - len(some):,} more" if number > len(some) else ""
        who = f"{names}{more}" if names else f"{number:,} clients and users"
        why = f"It is in use: assigned to {who}. It is unassigned from all of them, and they"
        why += " lose its scopes unless they hold them otherwise."
        fields |= {"cascade": "yes"}
    return change.endpoint.ask(
        change.operator,
        change.visit,
        f"Delete the role {change.key}?",
        f"{why} This cannot be undone.",
        "Delete and unassign" if number else "Delete role",
        fields,
        commands=(change.deletion(cascade=bool(number)),),
        typed=change.key if number else "",
        error=error,
    )
