"""`/audiences`, `/roles` and `/trusted-issuers`."""

from issuer.admin.collection import Descriptions, collection_router
from issuer.admin.operations import operations_router
from issuer.admin.routes import PRIVILEGED
from issuer.audiences import AUDIENCE
from issuer.roles import ROLE
from issuer.trusted_issuers import TRUSTED_ISSUER
from issuer.trusted_issuers.operations import OPERATIONS, REGISTRATION

_URL = "Setting `url` or `resources` requires issuer:admin: tokens are sent there."

audiences = collection_router(
    AUDIENCE,
    Descriptions(
        list="List audiences in order of id.",
        create="Create an audience. Its id is the AgentOS `id`, and becomes `aud`.",
        read="Read an audience.",
        patch="Change an audience.",
        delete="Delete an audience that is not in use, and revoke all tokens for it.",
        cascade="Remove it from clients, and unassign roles there.",
    ),
    convertor=":path",  # an id may have slashes, since it may be a URL
    note=f"{_URL} {PRIVILEGED}",
    note_of_create=_URL,
)

roles = collection_router(
    ROLE,
    Descriptions(
        list="List roles in order of name.",
        create="Create a role.",
        read="Read a role.",
        patch="Change a role. New tokens have its new scopes.",
        delete="Delete a role that is not assigned.",
        cascade="Unassign it everywhere.",
    ),
)

_NOTE = f"Fetching keys from private addresses requires issuer:admin. {PRIVILEGED}"

trusted_issuers = collection_router(
    TRUSTED_ISSUER,
    Descriptions(
        list="List trusted issuers in order of id.",
        create="Trust another issuer. By itself this gives nobody anything: the `trusts` of a"
        " client say which of its tokens authenticate that client.",
        read="Read a trusted issuer.",
        patch="Change a trusted issuer. `disabled` takes effect within a second.",
        delete="Delete a trusted issuer on which no client relies.",
        cascade="Remove the trusts of clients that name it.",
    ),
    note=_NOTE,
    note_of_create=_NOTE,
)
of_trusted_issuers = operations_router(OPERATIONS, REGISTRATION)
