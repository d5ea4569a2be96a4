"""`/clients/{client_id}/rotation`: a second secret, time to bring it out, the end of the first."""

from typing import Annotated

from fastapi import Query, Response
from pydantic import BaseModel

from issuer.admin.access import Caller
from issuer.admin.clients import READ, WRITE, NewSecret
from issuer.admin.problems import documented
from issuer.admin.representations import IfMatch, never_stored, require_match, tagged
from issuer.admin.routes import admin_router
from issuer.admin.urls import location
from issuer.clients import ClientSecret
from issuer.composition import UnitOfWork
from issuer.errors import NotFound

router = admin_router("/clients/{client_id}/rotation", "clients")

Force = Annotated[bool, Query(description="In spite of all `warnings`.")]


class UnderWay(BaseModel):
    """A rotation: the new secret, the old ones it follows, and why not to finish it now."""

    new: ClientSecret
    old: list[ClientSecret]
    warnings: list[str]


class Finished(BaseModel):
    """The secrets that are refused from now on, and the id of the one that stays."""

    deleted: list[ClientSecret]
    kept: str


@router.get("", responses=documented("not-found"))
def read_rotation(caller: Caller, client_id: str, response: Response) -> UnderWay:
    """When and from where its secrets were last used, some seconds ago at most."""
    with caller.work(READ) as work:
        return tagged(response, _under_way(work, client_id))


@router.post("", status_code=201, responses=documented("not-found", "not-allowed"))
def start_rotation(caller: Caller, client_id: str, response: Response) -> NewSecret:
    """One more secret; the old ones stay until the rotation is finished."""
    with caller.work(WRITE) as work:
        record, secret = work.rotations.start(client_id)
    response.headers["Location"] = location(caller, "clients", client_id, "rotation")
    never_stored(response)
    return NewSecret.model_construct(**dict(record), client_secret=secret)


@router.post("/finish", responses=documented("not-found", "not-allowed", "precondition-failed"))
def finish_rotation(
    caller: Caller, client_id: str, force: Force = False, if_match: IfMatch = None
) -> Finished:
    """End the old secrets at once; 409 while there are `warnings`, unless `force`."""
    with caller.work(WRITE) as work:
        require_match(if_match, _under_way(work, client_id))
        rotation = work.rotations.finish(client_id, force=force)
    return Finished(deleted=list(rotation.old), kept=rotation.new.id)


@router.delete(
    "", status_code=204, responses=documented("not-found", "not-allowed", "precondition-failed")
)
def cancel_rotation(caller: Caller, client_id: str, if_match: IfMatch = None) -> None:
    """End the new secret at once; the old ones stay."""
    with caller.work(WRITE) as work:
        require_match(if_match, _under_way(work, client_id))
        work.rotations.cancel(client_id)


def _under_way(work: UnitOfWork, client_id: str) -> UnderWay:
    rotation = work.rotations.find(client_id)
    if rotation is None:
        raise NotFound("rotation of the client", client_id)
    warnings = work.rotations.warnings(rotation)
    return UnderWay(new=rotation.new, old=list(rotation.old), warnings=warnings)
