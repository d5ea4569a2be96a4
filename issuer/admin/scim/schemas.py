"""The schemas of users and groups, and what the service says about itself (RFC 7643 §4 to §7).

Only attributes that are stored, so that `/Schemas` tells clients which. Others are ignored.
"""

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, Field
from scim2_models import (
    URN,
    Address,
    AnyExtension,
    AuthenticationScheme,
    Bulk,
    CaseExact,
    ChangePassword,
    ComplexAttribute,
    ETag,
    ExtensibleStringEnum,
    Extension,
    External,
    Filter,
    GroupMembership,
    Mutability,
    Name,
    Patch,
    PhoneNumber,
    Reference,
    Required,
    Resource,
    ResourceType,
    Returned,
    ScimPolicy,
    ScimProvider,
    ServiceProviderConfig,
    Sort,
    Uniqueness,
)
from scim2_models import Schema as SchemaResource

if TYPE_CHECKING:  # the name of the schema that references lead to
    from scim2_models import User

MAX_RESULTS = 500
_MAX_VALUES = 20
EXTENSION = URN("urn:ietf:params:scim:schemas:extension:enterprise:2.0:User")


class EmailAddress(ComplexAttribute):
    """An email address. Not the one of the library, which refuses names such as host.local."""

    class Label(ExtensibleStringEnum):
        """The canonical labels."""

        work = "work"
        home = "home"
        other = "other"

    value: str | None = None
    """The address."""

    display: str | None = None
    """A name for people to read."""

    type: Label | None = None
    """A label, such as work or home."""

    primary: bool | None = None
    """Whether it is the address that counts. If none is, the first one counts."""


class ManagerOfUser(ComplexAttribute):
    """A manager. Not the one of the library, whose members are required."""

    value: Annotated[str | None, CaseExact.true] = None
    """The id of the manager, as the client knows it."""

    ref: str | None = Field(None, serialization_alias="$ref", validation_alias="$ref")
    """The URL of the manager, which may be relative."""

    display_name: str | None = None
    """The name of the manager."""


def _sole_value(sent: object) -> object:
    """What Entra sends as a list of one object with a `value`, by itself."""
    if isinstance(sent, list) and len(sent) == 1 and isinstance(sent[0], dict):
        return sent[0].get("value", sent)
    return sent


def _manager(sent: object) -> object:
    """Entra sends only the id."""
    sole = _sole_value(sent)
    return {"value": sole} if isinstance(sole, str) else sole


class EnterpriseUser(Extension):
    """The attributes of the enterprise extension."""

    __schema__ = EXTENSION

    employee_number: str | None = None
    """An identifier that the organization gave the person."""

    cost_center: str | None = None
    """The name of a cost center."""

    organization: str | None = None
    """The name of an organization."""

    division: str | None = None
    """The name of a division."""

    department: str | None = None
    """The name of a department."""

    manager: Annotated[ManagerOfUser | None, BeforeValidator(_manager)] = None
    """The manager. It is kept as it was sent, and used for nothing."""


class UserResource(Resource[AnyExtension]):
    """A user. Passwords, roles and entitlements cannot be set by SCIM."""

    __schema__ = URN("urn:ietf:params:scim:schemas:core:2.0:User")

    external_id: Annotated[str | None, CaseExact.true] = None
    """The id that the provisioning client has for the user."""

    user_name: Annotated[str | None, Uniqueness.server, Required.true] = None
    """The name to sign in with."""

    name: Name | None = None
    """The parts of the person's name."""

    display_name: str | None = None
    """The name to show."""

    nick_name: str | None = None
    """A casual name."""

    profile_url: Reference[External] | None = None
    """The URL of a page about the person."""

    title: str | None = None
    """A job title."""

    user_type: str | None = None
    """The relation to the organization, such as Employee."""

    preferred_language: str | None = None
    """A language, as in the header Accept-Language."""

    locale: str | None = None
    """A locale, such as en-US."""

    timezone: str | None = None
    """A time zone, such as Europe/Berlin."""

    active: Annotated[bool | None, BeforeValidator(_sole_value)] = None
    """Whether the user may sign in. False ends sessions and tokens."""

    emails: Annotated[list[EmailAddress] | None, Field(max_length=_MAX_VALUES)] = None
    """Email addresses. The primary or first one is that of the user."""

    phone_numbers: Annotated[list[PhoneNumber] | None, Field(max_length=_MAX_VALUES)] = None
    """Telephone numbers."""

    addresses: Annotated[list[Address] | None, Field(max_length=_MAX_VALUES)] = None
    """Postal addresses."""

    groups: Annotated[list[GroupMembership] | None, Mutability.read_only] = None
    """The groups of which the user is a member."""


class MemberOfGroup(ComplexAttribute):
    """A member. Not that of the library, whose name clients can choose."""

    value: Annotated[str | None, Mutability.immutable, CaseExact.true] = None
    """The id of the user."""

    ref: Annotated[Reference["User"] | None, Mutability.immutable] = Field(  # type: ignore[type-arg]
        None, serialization_alias="$ref", validation_alias="$ref"
    )
    """The URL of the user."""

    type: Annotated[str | None, Mutability.immutable] = Field(None, examples=["User"])
    """Always User: there are no groups in groups."""

    display: Annotated[str | None, Mutability.read_only, Returned.request] = None
    """The name with which the user signs in. Only where `attributes` has it."""


class GroupResource(Resource[Any]):
    """A group of users. Its roles cannot be set by SCIM."""

    __schema__ = URN("urn:ietf:params:scim:schemas:core:2.0:Group")

    external_id: Annotated[str | None, CaseExact.true] = None
    """The id that the provisioning client has for the group."""

    display_name: Annotated[str | None, Uniqueness.server, Required.true] = None
    """The name, which no other group has."""

    members: list[MemberOfGroup] | None = None
    """The users in it."""


# Of these the schemas have their names.
UserResource.__name__, GroupResource.__name__ = "User", "Group"
EnterpriseUsers = UserResource[EnterpriseUser]

# What Entra and Okta send, and the standard does not have: unknown attributes, values to remove,
# and paths to a value that does not exist yet.
POLICY = ScimPolicy(
    unknown=ScimPolicy.Unknown.ignore,
    remove_value_as_filter=ScimPolicy.RemoveValue.apply,
    unmatched_path_filter=ScimPolicy.UnmatchedPathFilter.create,
)

_CONFIG = ServiceProviderConfig(
    patch=Patch(supported=True),
    bulk=Bulk(supported=False, max_operations=0, max_payload_size=0),
    filter=Filter(supported=True, max_results=MAX_RESULTS),
    change_password=ChangePassword(supported=False),
    sort=Sort(supported=True),
    etag=ETag(supported=True),
    authentication_schemes=[
        AuthenticationScheme(
            type=AuthenticationScheme.Type.oauthbearertoken,
            name="OAuth 2.0 bearer token",
            description="An access token of this issuer for itself, with the scope issuer:scim.",
            spec_uri="https://www.rfc-editor.org/rfc/rfc6750",
            primary=True,
        ),
        AuthenticationScheme(
            type=AuthenticationScheme.Type.httpbasic,
            name="HTTP Basic",
            description="Id and secret of a client that has this scope.",
            spec_uri="https://www.rfc-editor.org/rfc/rfc7617",
        ),
    ],
)

PROVIDER = ScimProvider(
    models=[
        UserResource,
        EnterpriseUser,
        GroupResource,
        SchemaResource,
        ResourceType,
        ServiceProviderConfig,
    ],
    resource_types=[
        ResourceType.from_resource(EnterpriseUsers),
        ResourceType.from_resource(GroupResource),
    ],
    config=_CONFIG,
    policy=POLICY,
)
