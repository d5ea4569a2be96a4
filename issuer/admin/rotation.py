"""`/clients/{client_id}/rotation`: add a second secret, deploy it, delete the first."""

from typing import Annotated

from fastapi import Query, Response
from pydantic import BaseModel

from issuer.admin.access import Caller
from issuer.admin.clients import NewSecret
from issuer.admin.problems import documented
from issuer.admin.representations import IfMatch, never_stored, require_match, tagged
from issuer.admin.routes import admin_router, location
from issuer.clients import CLIENT, ClientSecret
from issuer.composition import UnitOfWork
from issuer.errors import NotFound

router = admin_router("/clients/{client_id}/rotation", "clients")

Force = Annotated[bool, Query(description="Finish despite `warnings`.")]


class RotationInProgress(BaseModel):
    """A rotation: the new secret, the old ones it replaces, and warnings about finishing now."""

    new: ClientSecret
    old: list[ClientSecret]
    warnings: list[str]


class FinishedRotation(BaseModel):
    """The deleted secrets, and the id of the one that is left."""

    deleted: list[ClientSecret]
    kept: str


@router.get("", responses=documented("not-found"))
def read_rotation(caller: Caller, client_id: str, response: Response) -> RotationInProgress:
    """Read the rotation. The last use of each secret is updated every few seconds."""
    with caller.work(CLIENT.read) as work:
        return tagged(response, _in_progress(work, client_id))


@router.post("", status_code=201, responses=documented("not-found", "not-allowed"))
def start_rotation(caller: Caller, client_id: str, response: Response) -> NewSecret:
    """Start a rotation: create a secret; the old ones stay valid until it is finished."""
    with caller.work(CLIENT.write) as work:
        record, secret = work.rotations.start(client_id)
    response.headers["Location"] = location(caller, "clients", client_id, "rotation")
    never_stored(response)
    return NewSecret.model_construct(**dict(record), client_secret=secret)


@router.post("/finish", responses=documented("not-found", "not-allowed", "precondition-failed"))
def finish_rotation(
    caller: Caller, client_id: str, force: Force = False, if_match: IfMatch = None
) -> FinishedRotation:
    """Finish: delete the old secrets. 409 while there are `warnings`, unless `force`."""
    with caller.work(CLIENT.write) as work:
        require_match(if_match, _in_progress(work, client_id))
        rotation = work.rotations.finish(client_id, force=force)
    return FinishedRotation(deleted=list(rotation.old), kept=rotation.new.id)


@router.delete(
    "", status_code=204, responses=documented("not-found", "not-allowed", "precondition-failed")
)
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
