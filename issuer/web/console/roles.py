"""`/console/roles`: named sets of scopes."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from starlette.responses import Response

from issuer.catalogue import ScopeEntry, ScopeFinding
from issuer.roles import ROLE, Role
from issuer.scopes import parse
from issuer.web.console.rights.effective_rights import (
    ScopeInWords,
    allow_if_ticked,
    findings,
    known_scopes,
    one_a_line,
    scopes_in_words,
)
from issuer.web.console.rights.holders import Holders, holders
from issuer.web.console.role_change import RoleChange, apply, delete_role, edit, read_role, review
from issuer.web.console.screens.collection import ListEndpoint
from issuer.web.console.screens.endpoint import ConsoleEndpoint
from issuer.web.console.screens.operator import NeedsSignIn, Operator
from issuer.web.console.screens.recent_events import RecentEvents, recent_events
from issuer.web.console.screens.views import ConsolePage, Listing, listing
from issuer.web.visit import Visit

_LIST = "/console/roles"


@dataclass(frozen=True, kw_only=True)
class RolesPage(ConsolePage):
    """`findings` are about the scopes that were typed, which were not saved yet."""

    TEMPLATE = "console/roles.html"
    title = "Roles"
    listing: Listing[Role]
    known: list[ScopeEntry]
    findings: tuple[ScopeFinding, ...] = ()


class RolesEndpoint(ListEndpoint):
    """The list, and the form for a new role, which warns once of scopes that look odd.

    `?add=` has scopes for the form.
    """

    PATH = _LIST
    TYPE = ROLE
    READ = ROLE.read
    PARAMETERS = ("add",)
    SIGN_IN = dict.fromkeys(("", "create", "force"), NeedsSignIn.IF_PROTECTED)

    def screen(self, operator: Operator, visit: Visit) -> Response:
        return self.show_form(operator, visit, {"add": visit.query.get("add", "")})

    def create(self, operator: Operator, visit: Visit, form: Mapping[str, str]) -> Response:
        fields = read_role(form)
        if form.get("do") != "force" and (found := findings(fields.scopes)):
            typed = {**form, "scopes": one_a_line(fields.scopes), "add": ""}
            page = partial(self.new_page(operator, visit, typed), findings=found)
            return self.form_page(operator, visit, page, typed)
        with operator.work(ROLE.write) as work:
            allow_if_ticked(work, form)
            work.roles.create(fields)
        scopes = [each for scope in fields.scopes for each in ("--scope", scope)]
        command = self.creation([fields.name, *scopes], fields.model_dump())
        return self.finished(_LIST, f"The role {fields.name} is created.", command)

    def new_page(
        self, operator: Operator, visit: Visit, form: Mapping[str, str]
    ) -> partial[ConsolePage]:
        """The list itself, which has the form."""
        with operator.work(ROLE.read) as work:
            shown = listing(work, visit, self.site.base + _LIST, ROLE)
        return self.list_page(operator, partial(RolesPage, known=known_scopes()), shown)


_CHANGES: dict[str, Callable[[RoleChange], Response]] = {
    "edit": edit,
    "review": review,
    "apply": apply,
    "delete": delete_role,
}


@dataclass(frozen=True, kw_only=True)
class RolePage(ConsolePage):
    """`more` scopes are not listed. `is_protected`: only an admin may change it."""

    TEMPLATE = "console/role.html"
    role: Role
    scopes: tuple[ScopeInWords, ...]
    more: int
    holders: Holders
    is_protected: bool
    events: tuple[RecentEvents, ...] | None

    @property
    def title(self) -> str:
        return self.role.name


class RoleEndpoint(ConsoleEndpoint):
    """`?edit=yes` is the form for a change, `&add=` a scope to add; `?after=` pages who has it."""

    PATH = "/console/roles/{key:path}"
    READ = ROLE.read
    WRITE = ROLE.write
    PARAMETERS = ("edit", "add")
    SIGN_IN = dict.fromkeys(_CHANGES, NeedsSignIn.IF_PROTECTED)

    def screen(self, operator: Operator, visit: Visit) -> Response:
        role = self._role(operator, visit)
        if "edit" in visit.query:
            self._require_may_change(operator, role)
            typed = {"description": role.description, "scopes": one_a_line(role.scopes)}
            typed |= {"add": visit.query.get("add", ""), "version": str(role.version)}
            return edit(RoleChange(self, operator, visit, typed, role))
        return self.site.pages.answer(self._page(operator, visit, role))

    def act(self, operator: Operator, visit: Visit, form: Mapping[str, str]) -> Response:
        role = self._role(operator, visit)
        self._require_may_change(operator, role)
        if change := _CHANGES.get(form.get("do", "")):
            return change(RoleChange(self, operator, visit, form, role))
        return self.stale(visit, form)

    def _role(self, operator: Operator, visit: Visit) -> Role:
        with operator.work(ROLE.read) as work:
            return work.roles.get(visit.request.path_params["key"])

    def _page(self, operator: Operator, visit: Visit, role: Role) -> RolePage:
        words = scopes_in_words(role.scopes)
        url, after = self.site.base + self.path(visit), visit.query.get("after", "")
        with operator.work(ROLE.read) as work:
            held_by = holders(operator, work, role.name, after, url)
        is_protected = _is_protected(role)
        return RolePage(
            frame=self.frame(operator, visit),
            may_change=operator.may_change(ROLE.write, is_protected=is_protected),
            commands=(
                self.commands.command(("role", "show", role.name), "GET", ("roles", role.name)),
            ),
            role=role,
            scopes=words,
            more=len(role.scopes) - len(words),
            holders=held_by,
            is_protected=is_protected,
            events=recent_events(operator, role.name),
        )

    def _require_may_change(self, operator: Operator, role: Role) -> None:
        operator.require_may_change(ROLE.write, is_protected=_is_protected(role))


def _is_protected(role: Role) -> bool:
    """Whether it gives rights at the issuer itself."""
    return any(parse(scope).is_of_issuer for scope in role.scopes)
