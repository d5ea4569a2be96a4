"""What a manifest may say: the fields of the rooms, and who has which role."""

from typing import Annotated, Any

from pydantic import Field

from issuer.audiences import AudienceFields
from issuer.clients import ClientFields
from issuer.fields import Fields, PrincipalId
from issuer.roles import Assignment, RoleFields
from issuer.users import UserFields

Assigned = Annotated[
    list[Assignment],
    Field(description="Exactly the roles it has; without an audience, at all of them."),
]


class ClientEntry(ClientFields):
    """A client. Its first secret is made when it is."""

    client_id: PrincipalId
    roles: Assigned = []


class UserEntry(UserFields):
    """A user. Without `id` it is the one of that user name; passwords are set elsewhere."""

    roles: Assigned = []


class Entries(Fields):
    """A house. A section left out says nothing; an empty one says that there are none.

    A member left out has its default.
    """

    audiences: list[AudienceFields] = []
    roles: list[RoleFields] = []
    clients: list[ClientEntry] = []
    users: list[UserEntry] = []


def schema(refs: str = "#/$defs/{model}") -> dict[str, Any]:
    """JSON Schema (2020-12) of a manifest, for editors and pipelines; `refs` is how it refers."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Entries.model_json_schema(ref_template=refs),
        "title": "Manifest of an issuer for AgentOS",
    }
