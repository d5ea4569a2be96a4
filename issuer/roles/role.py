"""What a role is."""

from datetime import datetime

from issuer.fields import Fields, Label, RoleName, Scopes, Version


class RoleFields(Fields):
    """What an operator says about a role."""

    name: RoleName
    description: Label = ""
    scopes: Scopes = []


class Role(RoleFields):
    """A role on record."""

    created_at: datetime
    updated_at: datetime
    version: Version
