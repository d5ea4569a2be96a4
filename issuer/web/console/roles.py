"""`/console/roles`: named sets of scopes."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from starlette.responses import Response

from issuer.catalogue import ScopeEntry, ScopeFinding
from issuer.roles import ROLE, Role
from issuer.roles.role import RoleFields
from issuer.web.console.endpoint import Operator
from issuer.web.console.list_endpoint import ListEndpoint
from issuer.web.console.listing import listing
from issuer.web.console.recent_sign_in import NeedsSignIn
from issuer.web.console.scope_texts import (
    allow_if_ticked,
    findings,
    known_scopes,
    one_a_line,
    typed_scopes,
)
from issuer.web.console.views import ConsolePage, Listing
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


def read_role(form: Mapping[str, str], name: str = "") -> RoleFields:
    """The role of a form, or with `name` the existing one; `InvalidField` if it cannot be one."""
    members: dict[str, object] = {"name": name or form.get("name", "").strip()}
    members |= {"description": form.get("description", "").strip()}
    return RoleFields.read(members | {"scopes": typed_scopes(form)})
