"""The models of a role."""

from datetime import datetime

from issuer.fields.fields import Fields, Label, Scopes, Version
from issuer.fields.ids import RoleName
from issuer.resources import ResourceType


class RoleFields(Fields):
    """The members of a role that an operator sets."""

    name: RoleName
    description: Label = ""
    scopes: Scopes = []


class Role(RoleFields):
    """A stored role."""

    created_at: datetime
    updated_at: datetime
    version: Version


ROLE = ResourceType("role", "roles", key="name", fields=RoleFields, model=Role)
