"""Used assertions in SQL. One statement, so that two requests cannot both use one."""

from datetime import datetime

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from issuer.database.conflicts import insert_into
from issuer.database.tables import UsedAssertionRow


class UsedAssertionStore:
    """Within one transaction."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def add(self, digest: bytes, client_id: str, expires_at: datetime) -> bool:
        """Whether it was not used before."""
        values = {"digest": digest, "client_id": client_id, "expires_at": expires_at}
        made = insert_into(self.session, UsedAssertionRow).values(**values)
        kept = made.on_conflict_do_nothing().returning(UsedAssertionRow.digest)
        return self.session.scalars(kept).one_or_none() is not None

    def has_as_many(self, client_id: str, now: datetime, number: int) -> bool:
        """Whether the client has used as many that have not expired."""
        query = (
            select(1)
            .select_from(UsedAssertionRow)
            .where(UsedAssertionRow.client_id == client_id, UsedAssertionRow.expires_at > now)
        )
        return self.session.scalar(query.offset(number - 1).limit(1)) is not None

    def delete_expired(self, before: datetime, limit: int) -> int:
        """Delete at most as many of those that expired before then; how many."""
        row = UsedAssertionRow
        some = select(row.digest).where(row.expires_at < before).limit(limit)
        deleted = delete(row).where(row.digest.in_(some)).returning(row.digest)
        return len(self.session.scalars(deleted).all())
