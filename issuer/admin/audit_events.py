"""`/audit-events`: the record, newest first."""

import re
from typing import Annotated

from fastapi import Query

from issuer.admin.access import Caller
from issuer.admin.problems import documented
from issuer.admin.representations import Cursor, Limit, Page, page
from issuer.admin.routes import admin_router
from issuer.audit import AuditEvent, EventFilter
from issuer.fields import Instant

router = admin_router("/audit-events", "audit")

_EVENT_ID = re.compile(r"[0-9]{1,18}")  # both databases count in 64 bits

Text = Annotated[str | None, Query(max_length=255, pattern=r"^[^\x00]*$")]

Target = Annotated[
    str | None,
    Query(
        max_length=255,
        pattern=r"^[^\x00]*$",
        description="An id, or a name: of a user name, also what was done to that user.",
    ),
]


@router.get("", responses=documented("invalid-cursor"))
def list_audit_events(
    caller: Caller,
    actor: Text = None,
    action: Text = None,
    target: Target = None,
    since: Instant | None = None,
    until: Instant | None = None,
    address: Text = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[AuditEvent]:
    """Events that match everything given, newest first."""
    wanted = EventFilter(
        actor=actor, action=action, target=target, since=since, until=until, address=address
    )
    with caller.work("issuer:audit:read") as work:
        return page(
            "audit-events",
            lambda before, most: work.audit_log.page(wanted, before, most),
            lambda event: str(event.id),
            cursor,
            limit,
            is_key=_EVENT_ID.fullmatch,
        )
