"""`/status`: how the process is that answers. Nothing secret."""

from fastapi import Request

from issuer.admin.access import Caller
from issuer.admin.parts import admin_parts
from issuer.admin.routes import admin_router
from issuer.scopes import ISSUER_STATUS
from issuer.status.report import server_status
from issuer.status.server_status import ServerStatus

router = admin_router("/status", "status")


@router.get("")
def read_status(caller: Caller, request: Request) -> ServerStatus:
    """Read how the process is that answers: whether it can issue tokens, database, keys, audit log.

    `attention` has what must be looked at, and what to do. Other processes may differ.
    """
    caller.require(ISSUER_STATUS)
    return server_status(admin_parts(request).server)
