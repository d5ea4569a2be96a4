"""The models of a role."""

from datetime import datetime
from typing import Annotated

from issuer.fields.fields import Fields, Label, Scopes, Version
from issuer.fields.ids import RoleName
from issuer.resources import SCOPES, Member, ResourceType


class RoleFields(Fields):
    """The members of a role that an operator sets."""

    name: Annotated[RoleName, Member(label="Name", help="The name of the role.")]
    description: Annotated[Label, Member(label="Description", help="What it is for.")] = ""
    scopes: Annotated[Scopes, SCOPES] = []


class Role(RoleFields):
    """A stored role."""

    created_at: datetime
    updated_at: datetime
    version: Version


ROLE = ResourceType("role", "roles", key="name", fields=RoleFields, model=Role, gives_rights=True)
