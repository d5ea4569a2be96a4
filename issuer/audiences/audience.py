"""The models of an audience."""

from datetime import datetime

from issuer.fields.fields import Algorithm, Fields, Label, Version
from issuer.fields.ids import AudienceId
from issuer.fields.times import Lifetime
from issuer.fields.urls import Resources
from issuer.resources import ResourceType
from issuer.vocabulary import SigningAlgorithm


class AudienceFields(Fields):
    """The members of an audience that an operator sets.

    Without `signing_alg` it gets the first of `ISSUER_SIGNING_ALGORITHMS`. `resources` are URLs
    that a request may name instead of the id (RFC 8707), such as that of an MCP endpoint.
    """

    id: AudienceId
    name: Label = ""
    signing_alg: Algorithm | None = None
    access_token_ttl: Lifetime | None = None
    include_roles: bool = False
    resources: Resources = []


class Audience(AudienceFields):
    """A stored audience. Its tokens are signed with `previous_alg` until `alg_changes_at`."""

    previous_alg: SigningAlgorithm | None
    alg_changes_at: datetime | None
    created_at: datetime
    updated_at: datetime
    version: Version


AUDIENCE = ResourceType("audience", "audiences", key="id", fields=AudienceFields, model=Audience)
