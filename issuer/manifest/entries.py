"""The schema of a manifest: the fields of all resources, and role assignments."""

from typing import Annotated, Any

from pydantic import Field

from issuer.audiences import AudienceFields
from issuer.clients import ClientFields
from issuer.fields.fields import Fields
from issuer.fields.urls import ClientId
from issuer.roles import Assignment, RoleFields
from issuer.trusted_issuers import TrustedIssuerFields
from issuer.users import UserFields

Assigned = Annotated[
    list[Assignment],
    Field(description="All its roles; without `audience`, at every audience."),
]


class ClientEntry(ClientFields):
    """A client. Its first secret is created with it, if it has secrets."""

    client_id: ClientId
    roles: Assigned = []


class UserEntry(UserFields):
    """A user. Without `id`, the user with that user name; passwords are set elsewhere."""

    roles: Assigned = []


class Entries(Fields):
    """A configuration. A missing section is not managed; an empty one declares no entries.

    A missing member has its default.
    """

    audiences: list[AudienceFields] = []
    trusted_issuers: list[TrustedIssuerFields] = []
    roles: list[RoleFields] = []
    clients: list[ClientEntry] = []
    users: list[UserEntry] = []


def schema(refs: str = "#/$defs/{model}") -> dict[str, Any]:
    """JSON Schema (2020-12) of a manifest; `refs` is the template of its references."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Entries.model_json_schema(ref_template=refs),
        "title": "Manifest of an issuer for AgentOS",
    }
