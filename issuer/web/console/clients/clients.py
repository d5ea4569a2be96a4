"""`/console/clients`: services and applications with an id of their own, and new ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice, product

from starlette.responses import Response

from issuer.audiences import AUDIENCE
from issuer.clients import CLIENT, Client, ClientFields
from issuer.composition import UnitOfWork
from issuer.errors import InvalidField, NotFound
from issuer.roles import ROLE, Assignment
from issuer.web.console.clients.credentials import credentials_page
from issuer.web.console.clients.form import FORM, KINDS
from issuer.web.console.rights.assignments import assignment_command
from issuer.web.console.screens.collection import CollectionEndpoint
from issuer.web.console.screens.form_fields import allow_if_ticked, some_keys
from issuer.web.console.screens.operator import Operator
from issuer.web.console.screens.views import Command, Listing
from issuer.web.visit import Visit

_NAMED = 10


@dataclass(frozen=True, slots=True)
class ClientInList:
    """A client, and when a secret of it was last used."""

    client: Client
    last_used_at: datetime | None


class ClientsEndpoint(CollectionEndpoint):
    FORM = FORM
    KINDS = KINDS

    def rows(self, work: UnitOfWork, found: Listing[Client]) -> Listing[ClientInList]:
        used = work.clients.last_uses([each.client_id for each in found.items])
        return found.showing(ClientInList(c, used.get(c.client_id)) for c in found.items)

    def choices(self, operator: Operator) -> Mapping[str, Sequence[str]]:
        with operator.work(CLIENT.read) as work:
            return {each.plural: some_keys(operator, work, each) for each in (AUDIENCE, ROLE)}

    def create(self, operator: Operator, visit: Visit, form: Mapping[str, str]) -> Response:
        fields, roles = FORM.read(form, None), form.get("roles", "").split()
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

    def _commands_for(self, created: Client, roles: list[str]) -> tuple[Command, ...]:
        """Creating the client, then assigning each role."""
        key = created.client_id
        members = ClientFields.model_validate(created, from_attributes=True, strict=False)
        pairs = islice(product(roles, created.audiences), _NAMED)
        assigned = (Assignment(role=role, audience=audience) for role, audience in pairs)
        return self.creation(members), *(
            assignment_command(self.commands, CLIENT, key, each, "assign") for each in assigned
        )
