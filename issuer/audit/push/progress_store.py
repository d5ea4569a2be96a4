"""The progress of each destination, in SQL."""

from typing import cast

from sqlalchemy import CursorResult, update
from sqlalchemy.orm import Session

from issuer.audit.following import Bookmark
from issuer.audit.push.progress import Progress
from issuer.database.tables import AuditPushRow


def load(session: Session, destination: str) -> Progress | None:
    """None before the first attempt."""
    row = session.get(AuditPushRow, destination)
    if row is None:
        return None
    return Progress(
        Bookmark.parse(row.acknowledged),
        Bookmark.parse(row.attempted),
        row.failures,
        row.failed,
        row.retry_at,
        row.last_failure,
        row.last_success_at,
    )


def create(session: Session, destination: str, progress: Progress) -> None:
    session.add(AuditPushRow(destination=destination, **_columns(progress)))


def replace(session: Session, destination: str, before: Progress, after: Progress) -> bool:
    """False if another process has acknowledged or attempted more meanwhile."""
    changed = (
        update(AuditPushRow)
        .where(AuditPushRow.destination == destination)
        .where(AuditPushRow.acknowledged == str(before.acknowledged))
        .where(AuditPushRow.attempted == str(before.attempted))
        .values(**_columns(after))
    )
    return cast("CursorResult[object]", session.execute(changed)).rowcount == 1


def _columns(progress: Progress) -> dict[str, object]:
    return {
        "acknowledged": str(progress.acknowledged),
        "attempted": str(progress.attempted),
        "failures": dict(progress.failures),
        "failed": progress.failed,
        "retry_at": progress.retry_at,
        "last_failure": progress.last_failure,
        "last_success_at": progress.last_success_at,
    }
