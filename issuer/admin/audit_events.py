"""`/audit-events`: the audit log, newest first."""

from typing import Annotated

from fastapi import Query

from issuer.admin.access import Caller
from issuer.admin.representations import Cursor, Limit, Page, page
from issuer.admin.routes import admin_router
from issuer.audit import AuditEvent, EventFilter
from issuer.audit.audit_log_store import is_event_id
from issuer.audit.chain_store import Outcome
from issuer.fields.times import Instant

router = admin_router("/audit-events", "audit")

READ = "issuer:audit:read"

Text = Annotated[str | None, Query(max_length=255, pattern=r"^[^\x00]*$")]

Name = Annotated[
    str | None,
    Query(
        max_length=255,
        pattern=r"^[^\x00]*$",
        description="An id or a name. A user name also finds the events of that user's id.",
    ),
]


@router.get("")
def list_audit_events(
    caller: Caller,
    actor: Name = None,
    action: Text = None,
    target: Name = None,
    since: Instant | None = None,
    until: Instant | None = None,
    address: Text = None,
    outcome: Outcome | None = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> Page[AuditEvent]:
    """List the events that match all filters, newest first."""
    event_filter = EventFilter(
        actor=actor,
        action=action,
        target=target,
        since=since,
        until=until,
        address=address,
        outcome=outcome,
    )
    with caller.work(READ) as work:
        return page(
            "audit-events",
            lambda before, most: work.audit_log.page(event_filter, before, most),
            lambda event: str(event.id),
            cursor,
            limit,
            is_key=is_event_id,
        )
