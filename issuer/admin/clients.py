"""`/clients`: services and applications, their secrets, and replacing a secret."""

from typing import Annotated

from fastapi import Query, Response
from pydantic import BaseModel

from issuer.admin.access import Caller
from issuer.admin.collection import Descriptions, collection_router
from issuer.admin.operations import operations_router
from issuer.admin.problems import documented
from issuer.admin.representations import (
    Cursor,
    IfMatch,
    Limit,
    Page,
    never_stored,
    page_of,
    require_match,
    tagged,
)
from issuer.admin.routes import admin_router, location
from issuer.clients import CLIENT, ClientSecret, SecretFields
from issuer.clients.operations import OPERATIONS
from issuer.composition import UnitOfWork
from issuer.errors import NotFound

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

operations = operations_router(OPERATIONS)
AndItsTokens = Annotated[
    bool,
    Query(description="Also revoke all tokens of the client, whichever secret it used."),
]
rotation_router = admin_router("/clients/{client_id}/rotation", "clients")
Force = Annotated[bool, Query(description="Finish despite `warnings`.")]


class NewSecret(ClientSecret):
    """A new secret. It is not shown again."""

    client_secret: str


@router.get("/{client_id}/secrets")
def list_secrets(
    caller: Caller, client_id: str, limit: Limit = 50, cursor: Cursor = None
) -> Page[ClientSecret]:
    """List metadata of the client's secrets, oldest first; never a secret."""
    with caller.work(CLIENT.read) as work:
        secrets = work.clients.secrets(client_id)
    return page_of("secrets", secrets, lambda secret: secret.id, cursor, limit)


@router.post("/{client_id}/secrets", status_code=201, responses=documented("not-allowed"))
def create_secret(
    caller: Caller, client_id: str, fields: SecretFields, response: Response
) -> NewSecret:
    """Create another secret, so that the old one can be replaced without downtime."""
    with caller.work(CLIENT.write) as work:
        record, secret = work.clients.add_secret(client_id, fields)
    response.headers["Location"] = location(caller, "clients", client_id, "secrets", record.id)
    tagged(response, record)
    never_stored(response)
    return NewSecret.model_construct(**dict(record), client_secret=secret)


@router.get("/{client_id}/secrets/{secret_id}")
def read_secret(caller: Caller, client_id: str, secret_id: str, response: Response) -> ClientSecret:
    """Read the metadata of a secret; never the secret."""
    with caller.work(CLIENT.read) as work:
        return tagged(response, work.clients.secret(client_id, secret_id))


@router.delete("/{client_id}/secrets/{secret_id}", responses=documented("not-allowed"))
def delete_secret(
    caller: Caller,
    client_id: str,
    secret_id: str,
    and_its_tokens: AndItsTokens = False,
    if_match: IfMatch = None,
) -> None:
    """Delete a secret at once. Its tokens stay valid, unless `and_its_tokens`."""
    with caller.work(CLIENT.write) as work:
        require_match(if_match, work.clients.secret(client_id, secret_id))
        work.clients.delete_secret(client_id, secret_id, and_its_tokens=and_its_tokens)


class RotationInProgress(BaseModel):
    """A rotation: the new secret, the old ones it replaces, and warnings about finishing now."""

    new: ClientSecret
    old: list[ClientSecret]
    warnings: list[str]


class FinishedRotation(BaseModel):
    """The deleted secrets, and the id of the one that is left."""

    deleted: list[ClientSecret]
    kept: str


@rotation_router.get("")
def read_rotation(caller: Caller, client_id: str, response: Response) -> RotationInProgress:
    """Read the rotation. The last use of each secret is updated every few seconds."""
    with caller.work(CLIENT.read) as work:
        return tagged(response, _in_progress(work, client_id))


@rotation_router.post("", status_code=201, responses=documented("not-allowed"))
def start_rotation(caller: Caller, client_id: str, response: Response) -> NewSecret:
    """Start a rotation: create a secret; the old ones stay valid until it is finished."""
    with caller.work(CLIENT.write) as work:
        record, secret = work.rotations.start(client_id)
    response.headers["Location"] = location(caller, "clients", client_id, "rotation")
    never_stored(response)
    return NewSecret.model_construct(**dict(record), client_secret=secret)


@rotation_router.post("/finish", responses=documented("not-allowed"))
def finish_rotation(
    caller: Caller, client_id: str, force: Force = False, if_match: IfMatch = None
) -> FinishedRotation:
    """Finish: delete the old secrets. 409 while there are `warnings`, unless `force`."""
    with caller.work(CLIENT.write) as work:
        require_match(if_match, _in_progress(work, client_id))
        rotation = work.rotations.finish(client_id, force=force)
    return FinishedRotation(deleted=list(rotation.old), kept=rotation.new.id)


@rotation_router.delete("", responses=documented("not-allowed"))
def cancel_rotation(caller: Caller, client_id: str, if_match: IfMatch = None) -> None:
    """Cancel the rotation: delete the new secret; the old ones stay valid."""
    with caller.work(CLIENT.write) as work:
        require_match(if_match, _in_progress(work, client_id))
        work.rotations.cancel(client_id)


def _in_progress(work: UnitOfWork, client_id: str) -> RotationInProgress:
    rotation = work.rotations.find(client_id)
    if rotation is None:
        raise NotFound("rotation of the client", client_id)
    warnings = work.rotations.warnings(rotation)
    return RotationInProgress(new=rotation.new, old=list(rotation.old), warnings=warnings)
