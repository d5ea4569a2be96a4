"""The models of a client and its secrets."""

from datetime import datetime
from typing import Annotated

from pydantic import Field

from issuer.fields import (
    AudienceId,
    CustomClaims,
    Fields,
    GrantTypes,
    Instant,
    Label,
    Lifetime,
    PrincipalId,
    Scopes,
    Version,
)
from issuer.resources import ResourceType
from issuer.vocabulary import GrantType

MAX_AUDIENCES = 100


class ClientFields(Fields):
    """The members of a client that an operator sets. Without `client_id`, one is generated."""

    client_id: PrincipalId | None = None
    name: Label = ""
    grant_types: GrantTypes = [GrantType.CLIENT_CREDENTIALS]
    scopes: Scopes = []
    audiences: Annotated[list[AudienceId], Field(max_length=MAX_AUDIENCES)] = []
    access_token_ttl: Lifetime | None = None
    claims: CustomClaims = {}
    may_set_session: bool = False
    disabled: bool = False


class Client(ClientFields):
    """A stored client."""

    client_id: PrincipalId
    created_at: datetime
    updated_at: datetime
    version: Version


class NewClient(Client):
    """A new client with its first secret, which is not shown again."""

    client_secret: Annotated[str, Field(repr=False)]


CLIENT = ResourceType(
    "client",
    "clients",
    key="client_id",
    fields=ClientFields,
    model=Client,
    created=NewClient,
    private=frozenset({"claims"}),
)


class SecretFields(Fields):
    """The members of a secret that an operator sets when creating it."""

    label: Label = ""
    expires_at: Instant | None = None


class ClientSecret(SecretFields):
    """A stored secret: its metadata, never the secret."""

    id: str
    created_at: datetime
    last_used_at: datetime | None
    last_used_address: str | None
