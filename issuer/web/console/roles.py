"""`/console/roles`: named sets of scopes."""

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.responses import Response

from issuer.errors import AlreadyExists, InvalidField
from issuer.roles import ROLE, Role
from issuer.roles.role import RoleFields
from issuer.web.console.endpoint import ConsoleEndpoint, Operator
from issuer.web.console.listing import listing
from issuer.web.console.views import ConsolePage, Listing, Typed
from issuer.web.visit import Visit

_LIST = "/console/roles"


@dataclass(frozen=True, kw_only=True)
class RolesPage(ConsolePage):
    TEMPLATE = "console/roles.html"
    title = "Roles"
    listing: Listing[Role]


class RolesEndpoint(ConsoleEndpoint):
    """The list, and the form for a new role."""

    PATH = _LIST
    READ = ROLE.read

    def screen(self, operator: Operator, visit: Visit) -> Response:
        return self._page(operator, visit, {})

    def act(self, operator: Operator, visit: Visit, form: Mapping[str, str]) -> Response:
        try:
            fields = RoleFields.read(_members(form))
            with operator.work(ROLE.write) as work:
                work.roles.create(fields)
        except InvalidField as error:
            return self._page(operator, visit, form, dict(error.problems), 400)
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
    ) -> Response:
        with operator.work(ROLE.read) as work:
            shown = listing(work, visit, self.site.base + _LIST, ROLE)
        page = RolesPage(
            frame=self.frame(operator, visit),
            may_change=operator.holds(ROLE.write),
            commands=(self.commands.command(("role", "list"), "GET", ("roles",)),),
            listing=shown,
            values=Typed(values),
            errors=Typed(errors or {}),
        )
        return self.site.pages.answer(page, status)


def _members(form: Mapping[str, str]) -> dict[str, object]:
    members: dict[str, object] = {"name": form.get("name", "")}
    return {
        **members,
        "description": form.get("description", ""),
        "scopes": form.get("scopes", "").split(),
    }
