"""A change of a role is reviewed first: who gains or loses which scope where."""

from collections.abc import Iterable
from dataclasses import dataclass

from starlette.responses import Response

from issuer.catalogue import ScopeFinding
from issuer.errors import InvalidField
from issuer.manifest.changes import Shift
from issuer.manifest.rights import role_effect
from issuer.roles import ROLE, Role, RoleFields
from issuer.web.console.rights.effective_rights import findings
from issuer.web.console.screens.action import ResourceAction
from issuer.web.console.screens.changes import conflict
from issuer.web.console.screens.collection import BAD_REQUEST
from issuer.web.console.screens.form_fields import (
    allow_if_ticked,
    field_errors,
    one_a_line,
    ticked,
)
from issuer.web.console.screens.operator import readable
from issuer.web.console.screens.views import MOST_COUNTED, Command, ConsolePage, Typed, counted

_CONSIDERED = 50  # principals


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


def edit_again(action: ResourceAction) -> Response:
    return action.edit_form(action.form)


def review(action: ResourceAction) -> Response:
    """Nothing is changed yet."""
    if action.is_outdated:
        return conflict(action)
    role, form, operator = action.resource, action.form, action.operator
    try:
        fields = action.endpoint.FORM.read(form, role)
        with operator.work(ROLE.read) as work:
            allow_if_ticked(work, form)
            work.roles.reject_misspelled(role, fields)
            work.authority.authorize_change(scopes=fields.scopes)
            effect = role_effect(work, role, fields, readable(operator), _CONSIDERED)
            total = work.assignments.count_holders(role.name, MOST_COUNTED)
    except InvalidField as error:
        return action.edit_form(form, field_errors(error), BAD_REQUEST)
    considered, seen = len(effect.considered), {each.kind for each in readable(operator)}
    more = max(0, total - considered)
    page = ReviewRolePage(
        frame=action.endpoint.frame(operator, action.visit),
        commands=(update_command(action, fields),),
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
    return action.endpoint.site.pages.answer(page)


def update_command(action: ResourceAction, fields: RoleFields) -> Command:
    role: Role = action.resource
    options = [part for s in _without(fields.scopes, role.scopes) for part in ("--add-scope", s)]
    options += [p for s in _without(role.scopes, fields.scopes) for p in ("--remove-scope", s)]
    patch: dict[str, object] = {"scopes": fields.scopes} if options else {}
    if fields.description != role.description:
        options += ["--description", fields.description]
        patch |= {"description": fields.description}
    return action.command(("update", role.name, *options), "PATCH", body=patch)


def _typed(fields: RoleFields, role: Role) -> dict[str, str]:
    typed = {"description": fields.description, "scopes": one_a_line(fields.scopes)}
    return typed | {"version": str(role.version)}


def _without(scopes: Iterable[str], others: Iterable[str]) -> tuple[str, ...]:
    left = set(others)
    return tuple(scope for scope in scopes if scope not in left)
