"""`/console/roles`: named sets of scopes."""

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.responses import Response

from issuer.catalogue import ScopeEntry, ScopeFinding
from issuer.errors import AlreadyExists, InvalidField
from issuer.roles import ROLE, Role
from issuer.roles.role import RoleFields
from issuer.web.console.endpoint import ConsoleEndpoint, Operator
from issuer.web.console.field_errors import field_errors
from issuer.web.console.listing import listing
from issuer.web.console.scope_texts import findings, known_scopes, one_a_line, typed_scopes
from issuer.web.console.views import ConsolePage, Listing, Typed
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


class RolesEndpoint(ConsoleEndpoint):
    """The list, and the form for a new role, which warns once of scopes that look odd.

    `?add=` has scopes for the form.
    """

    PATH = _LIST
    READ = ROLE.read
    PARAMETERS = ("add",)

    def screen(self, operator: Operator, visit: Visit) -> Response:
        return self._page(operator, visit, {"add": visit.query.get("add", "")})

    def act(self, operator: Operator, visit: Visit, form: Mapping[str, str]) -> Response:
        operator.require(ROLE.write)
        try:
            fields = read_role(form)
            if form.get("do") != "force" and (found := findings(fields.scopes)):
                typed = {**form, "scopes": one_a_line(fields.scopes), "add": ""}
                return self._page(operator, visit, typed, found=found)
            with operator.work(ROLE.write) as work:
                work.roles.create(fields)
        except InvalidField as error:
            return self._page(operator, visit, form, field_errors(error), 400)
        except AlreadyExists as error:
            return self._page(operator, visit, form, {"name": str(error)}, 409)
        scopes = [each for scope in fields.scopes for each in ("--scope", scope)]
        command = self.commands.command(
            ("role", "create", fields.name, *scopes), "POST", ("roles",), fields.model_dump()
        )
        return self.finished(_LIST, f"The role {fields.name} is created.", command)

    def _page(
        self,
        operator: Operator,
        visit: Visit,
        values: Mapping[str, str],
        errors: Mapping[str, str] | None = None,
        status: int = 200,
        found: tuple[ScopeFinding, ...] = (),
    ) -> Response:
        with operator.work(ROLE.read) as work:
            shown = listing(work, visit, self.site.base + _LIST, ROLE)
        page = RolesPage(
            frame=self.frame(operator, visit),
            may_change=operator.holds(ROLE.write),
            commands=(self.commands.command(("role", "list"), "GET", ("roles",)),),
            listing=shown,
            known=known_scopes(),
            findings=found,
            values=Typed(values),
            errors=Typed(errors or {}),
        )
        return self.site.pages.answer(page, status)


def read_role(form: Mapping[str, str], name: str = "") -> RoleFields:
    """The role of a form, or with `name` the existing one; `InvalidField` if it cannot be one."""
    members: dict[str, object] = {"name": name or form.get("name", "").strip()}
    members |= {"description": form.get("description", "").strip()}
    return RoleFields.read(members | {"scopes": typed_scopes(form)})
