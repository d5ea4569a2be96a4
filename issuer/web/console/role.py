"""`/console/roles/{key}`: one role, what it allows, who has it; change or delete it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from starlette.responses import Response

from issuer.roles import ROLE, Role
from issuer.scopes import parse
from issuer.web.console.endpoint import ConsoleEndpoint, Operator
from issuer.web.console.holders import Holders, holders
from issuer.web.console.recent_events import RecentEvents, recent_events
from issuer.web.console.recent_sign_in import NeedsSignIn
from issuer.web.console.role_delete import delete_role
from issuer.web.console.role_edit import RoleChange, apply, edit, review
from issuer.web.console.scope_texts import ScopeInWords, in_words, one_a_line
from issuer.web.console.views import ConsolePage
from issuer.web.visit import Visit

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
        words = in_words(role.scopes)
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
