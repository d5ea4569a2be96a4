"""`/groups`: groups of users, and their members."""

from issuer.admin.collection import Descriptions, collection_router
from issuer.admin.operations import operations_router
from issuer.groups import GROUP
from issuer.groups.operations import GROUP_ROLES, MEMBERS, OPERATIONS

router = collection_router(
    GROUP,
    Descriptions(
        list="List groups in order of id.",
        create="Create a group without members and roles.",
        read="Read a group.",
        patch="Change a group. Its members and roles have operations of their own.",
        delete="Delete a group and all its assignments. Its members lose what it gave: access"
        " tokens issued to them so far are revoked.",
    ),
    patch_problems=("already-exists",),
    note_of_create="",
)
operations = operations_router(OPERATIONS, MEMBERS, GROUP_ROLES.part)
