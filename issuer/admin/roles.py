"""`/roles`: named sets of AgentOS scopes."""

from issuer.admin.collection import Descriptions, collection_router
from issuer.roles import ROLE

router = collection_router(
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
