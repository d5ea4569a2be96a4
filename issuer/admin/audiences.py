"""`/audiences`: the AgentOS deployments that tokens are issued for."""

from issuer.admin.collection import Descriptions, collection_router
from issuer.audiences import AUDIENCE

router = collection_router(
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
    note_of_create="",
)
