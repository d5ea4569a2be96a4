"""`/console/clients`: services and applications with an id of their own, and new ones."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import islice, product

from starlette.responses import Response

from issuer.clients import CLIENT, Client, ClientFields
from issuer.errors import InvalidField, NotFound
from issuer.roles import Assignment
from issuer.web.console.clients.credentials import credentials_page
from issuer.web.console.clients.form import KINDS, client_options, new_client
from issuer.web.console.rights.assignments import assignment_command
from issuer.web.console.rights.effective_rights import allow_if_ticked
from issuer.web.console.screens.collection import ListEndpoint
from issuer.web.console.screens.form_fields import some_audiences, some_roles
from issuer.web.console.screens.operator import Operator
from issuer.web.console.screens.views import Command, ConsolePage, Listing, listing
from issuer.web.visit import Visit

LIST = "/console/clients"
_NAMED = 10


@dataclass(frozen=True, slots=True)
class ClientInList:
    """A client, and when a secret of it was last used."""

    client: Client
    last_used_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class ClientsPage(ConsolePage):
    TEMPLATE = "console/clients.html"
    title = "Clients"
    listing: Listing[ClientInList]


@dataclass(frozen=True, kw_only=True)
class NewClientPage(ConsolePage):
    """`kind` is one of `kinds`; `audiences` and `roles` are some to choose from."""

    TEMPLATE = "console/new_client.html"
    title = "New client"
    kind: str
    kinds: tuple[str, ...] = KINDS
    audiences: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()


class ClientsEndpoint(ListEndpoint):
    """The list; with `?new=` the form for a new client of that kind."""

    PATH = LIST
    TYPE = CLIENT
    READ = CLIENT.read
    PARAMETERS = ("new",)

    def screen(self, operator: Operator, visit: Visit) -> Response:
        if kind := visit.query.get("new"):
            operator.require(CLIENT.write)
            return self.show_form(operator, visit, {"kind": kind})
        with operator.work(CLIENT.read) as work:
            found = listing(work, visit, self.site.base + LIST, CLIENT)
            used = work.clients.last_uses([each.client_id for each in found.items])
        shown = found.showing(ClientInList(c, used.get(c.client_id)) for c in found.items)
        return self.show_list(operator, visit, ClientsPage, shown)

    def create(self, operator: Operator, visit: Visit, form: Mapping[str, str]) -> Response:
        fields, roles = new_client(form), form.get("roles", "").split()
        created = self._create(operator, form, fields, roles)
        secret = CLIENT.shown_once(created).get("client_secret", "")
        page = credentials_page(
            self,
            operator,
            visit,
            created,
            secret,
            done=f"The client {created.client_id} is created.",
            commands=self._commands_for(created, roles),
        )
        return self.site.pages.answer(page)

    def _create(
        self, operator: Operator, form: Mapping[str, str], fields: ClientFields, roles: list[str]
    ) -> Client:
        if roles and not fields.audiences:
            raise InvalidField("audiences", "name one, at which the roles are assigned")
        with operator.work_once(CLIENT.write) as work:
            allow_if_ticked(work, form)
            created = work.clients.create(fields)
            for role, audience in product(roles, fields.audiences):
                assignment = Assignment(role=role, audience=audience)
                try:
                    work.assignments.assign(created.client_id, assignment)
                except NotFound as error:
                    raise InvalidField("roles", str(error)) from None
        return created

    def new_page(
        self, operator: Operator, visit: Visit, form: Mapping[str, str]
    ) -> partial[NewClientPage]:
        with operator.work(CLIENT.read) as work:
            audiences, roles = some_audiences(operator, work), some_roles(operator, work)
        kind = form.get("kind", "")
        kind = kind if kind in KINDS else KINDS[0]
        return partial(NewClientPage, kind=kind, audiences=audiences, roles=roles)

    def _commands_for(self, created: Client, roles: list[str]) -> tuple[Command, ...]:
        """Creating the client, then assigning each role."""
        key = created.client_id
        members = ClientFields.model_validate(created, from_attributes=True, strict=False)
        given = members.model_dump(mode="json", exclude_defaults=True)
        create = self.creation([key, *client_options(given)], given)
        pairs = islice(product(roles, created.audiences), _NAMED)
        assigned = (Assignment(role=role, audience=audience) for role, audience in pairs)
        return create, *(assignment_command(self, CLIENT, key, each, "assign") for each in assigned)
