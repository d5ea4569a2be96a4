"""`/console/roles`: named sets of scopes, what they allow, and who has them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from starlette.responses import Response

from issuer.catalogue import ScopeEntry, ScopeFinding
from issuer.composition import UnitOfWork
from issuer.errors import InvalidField
from issuer.fields.text import escaped
from issuer.manifest.changes import Shift
from issuer.manifest.rights import role_effect
from issuer.roles import ROLE, Role, RoleFields
from issuer.scopes import parse
from issuer.settings import Settings
from issuer.web.console.rights.assignments import Holders, holders
from issuer.web.console.rights.effective_rights import (
    ScopeInWords,
    findings,
    known_scopes,
    scopes_in_words,
)
from issuer.web.console.screens.action import Deletion, ResourceAction
from issuer.web.console.screens.changes import conflict, delete, save
from issuer.web.console.screens.collection import BAD_REQUEST, CollectionEndpoint, ListPage
from issuer.web.console.screens.operator import NeedsSignIn, Operator, readable, unreadable
from issuer.web.console.screens.resource import ResourceEndpoint, ResourcePage
from issuer.web.console.screens.resource_form import (
    ResourceForm,
    allow_if_ticked,
    field_errors,
    one_a_line,
    ticked,
    typed_scopes,
)
from issuer.web.console.screens.views import (
    MOST_COUNTED,
    Command,
    ConsolePage,
    Typed,
    counted,
    listing,
)
from issuer.web.visit import Visit

_CONSIDERED = 50  # principals
_NAMED = 5


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
    considered = len(effect.considered)
    more = max(0, total - considered)
    page = ReviewRolePage(
        frame=action.endpoint.frame(operator, action.visit),
        commands=(action.endpoint.update_command(action, fields),),
        role=role,
        values=Typed(FORM.typed(fields) | {"version": str(role.version)} | ticked(form)),
        added=_without(fields.scopes, role.scopes),
        removed=_without(role.scopes, fields.scopes),
        findings=findings(fields.scopes),
        shifts=effect.shifts,
        considered=considered,
        unaffected=considered - len({each.principal for each in effect.shifts}),
        more=counted(more, total) if more else "",
        unseen=unreadable(operator),
    )
    return action.endpoint.site.pages.answer(page)


def _without(scopes: Iterable[str], others: Iterable[str]) -> tuple[str, ...]:
    left = set(others)
    return tuple(scope for scope in scopes if scope not in left)


@dataclass(frozen=True, kw_only=True)
class RolesPage(ListPage):
    """`findings` are about the scopes that were typed, which were not saved yet."""

    choices: Mapping[str, Sequence[ScopeEntry]]
    findings: tuple[ScopeFinding, ...] = ()


@dataclass(frozen=True, kw_only=True)
class RolePage(ResourcePage):
    """`more` scopes are not listed."""

    scopes: tuple[ScopeInWords, ...]
    more: int
    holders: Holders


class RoleForm(ResourceForm[RoleFields, Role]):
    def given(self, form: Mapping[str, str], resource: Role | None) -> dict[str, Any]:
        """Also the scopes of the field that completes names."""
        return {**super().given(form, resource), "scopes": typed_scopes(form)}

    def choices(self, settings: Settings) -> Mapping[str, Sequence[ScopeEntry]]:
        return {"known": known_scopes()}


FORM = RoleForm(ROLE)


class RolesEndpoint(CollectionEndpoint):
    """The list itself has the form for a new role, which warns once of scopes that look odd.

    `?add=` has scopes for the form.
    """

    FORM = FORM
    PARAMETERS = ("add",)
    SIGN_IN = dict.fromkeys(("", "create", "force"), NeedsSignIn.IF_PROTECTED)

    def screen(self, operator: Operator, visit: Visit) -> Response:
        return self.show_form(operator, visit, {"add": visit.query.get("add", "")})

    def create(self, operator: Operator, visit: Visit, form: Mapping[str, str]) -> Response:
        fields = self.FORM.read(form, None)
        if form.get("do") != "force" and (found := findings(fields.scopes)):
            typed = {**form, "scopes": one_a_line(fields.scopes), "add": ""}
            page = partial(self.new_page(operator, visit, typed), findings=found)
            return self.form_page(operator, visit, page, typed)
        return super().create(operator, visit, form)

    def created(self, key: str) -> str:
        return self.LIST

    def new_page(
        self, operator: Operator, visit: Visit, form: Mapping[str, str]
    ) -> partial[RolesPage]:
        with operator.work(ROLE.read) as work:
            shown = listing(work, visit, self.site.base + self.LIST, ROLE)
        page = self.list_page(operator, shown, RolesPage)
        return partial(page, choices=self.choices(operator))


class OneRoleEndpoint(ResourceEndpoint):
    """`?edit=yes&add=` has a scope to add to the form; `?after=` pages who has the role."""

    FORM = FORM
    ACTIONS = {"edit": edit_again, "review": review, "apply": save, "delete": delete}
    PARAMETERS = ("edit", "add")
    SIGN_IN = dict.fromkeys(ACTIONS, NeedsSignIn.IF_PROTECTED)
    NOT_TYPED = "Type {name} to confirm."
    IS_ALWAYS_TYPED = False

    def is_protected(self, operator: Operator, resource: Role) -> bool:
        """Whether it gives rights at the issuer itself."""
        return any(parse(scope).is_of_issuer for scope in resource.scopes)

    def typed(self, action: ResourceAction) -> dict[str, str]:
        return {**super().typed(action), "add": action.visit.query.get("add", "")}

    def page(self, action: ResourceAction) -> RolePage:
        role: Role = action.resource
        words, url = scopes_in_words(role.scopes), self.site.base + self.path(action.visit)
        with action.operator.work(ROLE.read) as work:
            after = action.visit.query.get("after", "")
            held_by = holders(action.operator, work, role.name, after, url)
        return self.page_of(RolePage, action)(
            scopes=words, more=len(role.scopes) - len(words), holders=held_by
        )

    def update_command(self, action: ResourceAction, fields: RoleFields) -> Command:
        role: Role = action.resource
        added, removed = _without(fields.scopes, role.scopes), _without(role.scopes, fields.scopes)
        options = [part for scope in added for part in ("--add-scope", scope)]
        options += [part for scope in removed for part in ("--remove-scope", scope)]
        patch: dict[str, object] = {"scopes": fields.scopes} if options else {}
        if fields.description != role.description:
            options += ["--description", fields.description]
            patch |= {"description": fields.description}
        return action.command(("update", role.name, *options), "PATCH", body=patch)

    def before_deletion(self, work: UnitOfWork, action: ResourceAction) -> Deletion:
        number = work.assignments.count_holders(action.key, MOST_COUNTED)
        some = holders(action.operator, work, action.key, "", "").items[:_NAMED]
        if not number:
            return Deletion("No client or user has it. This cannot be undone.")
        names = ", ".join(f"{each.kind} {escaped(each.name)}" for each in some)
        more = f" and {number - len(some):,} more" if number > len(some) else ""
        who = f"{names}{more}" if names else f"{number:,} clients and users"
        return Deletion(
            f"It is in use: assigned to {who}. It is unassigned from all of them, and they lose"
            " its scopes unless they hold them otherwise. This cannot be undone.",
            cascade=True,
            button="Delete and unassign",
        )
