"""How far each destination has acknowledged the audit events, in SQL."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any

from sqlalchemy import update
from sqlalchemy.orm import Session

from issuer.audit.following import Bookmark
from issuer.database.store import as_record, rows_changed
from issuer.database.tables import AuditPushRow


@dataclass(frozen=True, slots=True)
class Progress:
    """Events that `acknowledged` covers have arrived; those that `attempted` covers may have.

    `failures` counts failed attempts by their cause; `failed` are those since the last success.
    """

    acknowledged: Bookmark = field(default_factory=Bookmark)
    attempted: Bookmark = field(default_factory=Bookmark)
    failures: Mapping[str, int] = field(default_factory=dict)
    failed: int = 0
    retry_at: datetime | None = None
    last_failure: str | None = None
    last_success_at: datetime | None = None


def load(session: Session, destination: str) -> Progress | None:
    """None before the first attempt."""
    row = session.get(AuditPushRow, destination)
    if row is None:
        return None
    acknowledged, attempted = Bookmark.parse(row.acknowledged), Bookmark.parse(row.attempted)
    return as_record(Progress, row, acknowledged=acknowledged, attempted=attempted)


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
    return rows_changed(session, changed) == 1


def _columns(progress: Progress) -> dict[str, Any]:
    columns = {each.name: getattr(progress, each.name) for each in fields(progress)}
    bookmarks = {"acknowledged": str(progress.acknowledged), "attempted": str(progress.attempted)}
    return columns | bookmarks
