"""A change of a role: its form, what would change for whom, then exactly that."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from starlette.responses import Response

from issuer.catalogue import ScopeEntry, ScopeFinding
from issuer.errors import InvalidField
from issuer.manifest.changes import Shift
from issuer.manifest.role_effect import role_effect
from issuer.roles import ROLE, Role, RoleFields
from issuer.web.console.conflicts import differing, meanwhile
from issuer.web.console.endpoint import ConsoleEndpoint, Operator
from issuer.web.console.field_errors import field_errors
from issuer.web.console.holders import readable
from issuer.web.console.listing import MOST_COUNTED, counted
from issuer.web.console.roles import read_role
from issuer.web.console.scope_texts import findings, known_scopes, one_a_line
from issuer.web.console.views import Command, ConsolePage, Typed
from issuer.web.visit import Visit

_CONSIDERED = 50  # principals
_BAD_REQUEST, _CONFLICT = 400, 409


@dataclass(frozen=True)
class RoleChange:
    """Who changes which role, and what the form says."""

    endpoint: ConsoleEndpoint
    operator: Operator
    visit: Visit
    role: Role
    form: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class EditRolePage(ConsolePage):
    """`present` is what the role is now, where it was changed since the form was shown."""

    TEMPLATE = "console/edit_role.html"
    role: Role
    known: list[ScopeEntry]
    present: Typed = field(default_factory=Typed)

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


def edit(
    change: RoleChange,
    values: Mapping[str, str],
    errors: Mapping[str, str] | None = None,
    status: int = 200,
    present: Mapping[str, str] | None = None,
) -> Response:
    page = EditRolePage(
        frame=change.endpoint.frame(change.operator, change.visit),
        role=change.role,
        known=known_scopes(),
        values=Typed(values),
        errors=Typed(errors or {}),
        present=Typed(present or {}),
        error=meanwhile("role") if present is not None else "",
    )
    return change.endpoint.site.pages.answer(page, status)


def review(change: RoleChange) -> Response:
    """Who gains or loses which scope where; nothing is changed yet."""
    role, form, operator = change.role, change.form, change.operator
    if form.get("version") != str(role.version):
        return _conflict(change)
    try:
        fields = read_role(form, role.name)
        with operator.work(ROLE.read) as work:
            work.authority.authorize_change(scopes=fields.scopes)
            effect = role_effect(work, role, fields, readable(operator), _CONSIDERED)
            total = work.assignments.count_holders(role.name, MOST_COUNTED)
    except InvalidField as error:
        return edit(change, form, field_errors(error), _BAD_REQUEST)
    considered, seen = len(effect.considered), {each.kind for each in readable(operator)}
    more = max(0, total - considered)
    page = ReviewRolePage(
        frame=change.endpoint.frame(operator, change.visit),
        commands=(_command(change, fields),),
        role=role,
        values=Typed(_typed(fields, role)),
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
            if is_same := form.get("version") == str(now.version):
                work.roles.replace(role.name, fields)
    except InvalidField as error:
        return edit(change, form, field_errors(error), _BAD_REQUEST)
    if not is_same:
        return _conflict(replace(change, role=now))
    path = change.endpoint.path(change.visit)
    return change.endpoint.finished(
        path, f"The role {role.name} is changed.", _command(change, fields)
    )


def _conflict(change: RoleChange) -> Response:
    """Both versions: what was typed, and below it what the role is now."""
    role = change.role
    now = {"description": role.description, "scopes": one_a_line(role.scopes)}
    typed = {**change.form, "version": str(role.version)}
    return edit(change, typed, status=_CONFLICT, present=differing(now, typed, now))


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
    path = ("roles", role.name)
    return change.endpoint.commands.command(
        ("role", "update", role.name, *options), "PATCH", path, patch
    )
