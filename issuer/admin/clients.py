"""`/clients`: services and applications, their secrets, and replacing a secret."""

from issuer.admin.collection import Descriptions, collection_router
from issuer.admin.operations import operations_router
from issuer.clients.client import CLIENT
from issuer.clients.operations import CLIENT_ROLES, LOGOUTS, OPERATIONS, ROTATION, SECRETS

router = collection_router(
    CLIENT,
    Descriptions(
        list="List clients in order of id.",
        create="Create a client; with a first secret, if it authenticates with one.",
        read="Read a client; never a secret.",
        patch="Change a client. `disabled` takes effect within a second and revokes all its"
        " tokens.",
        delete="Delete a client, its secrets and assignments, and revoke its tokens.",
    ),
)

operations = operations_router(OPERATIONS, SECRETS, ROTATION, LOGOUTS, CLIENT_ROLES.part)
