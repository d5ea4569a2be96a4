"""Consents in SQL."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from issuer.database.tables import ConsentRow


class ConsentStore:
    """The consents, within one transaction."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def find(self, user_id: str, client_id: str, audience_id: str | None) -> ConsentRow | None:
        row = ConsentRow
        return self._session.scalars(
            select(row).where(
                row.user_id == user_id,
                row.client_id == client_id,
                row.audience_id.is_not_distinct_from(audience_id),
            )
        ).one_or_none()

    def of_user(self, user_id: str) -> Sequence[ConsentRow]:
        """The consents of the user, in order of client and audience."""
        row = ConsentRow
        query = select(row).where(row.user_id == user_id)
        return self._session.scalars(query.order_by(row.client_id, row.audience_id)).all()

    def add(
        self,
        user_id: str,
        client_id: str,
        audience_id: str | None,
        scopes: frozenset[str],
        openid_scopes: frozenset[str],
        now: datetime,
    ) -> None:
        """Add to what was allowed before. Callers hold the lock of a change: one at a time."""
        row = self.find(user_id, client_id, audience_id)
        if row is None:
            row = ConsentRow(user_id=user_id, client_id=client_id, audience_id=audience_id)
            row.scopes, row.openid_scopes = [], []
            self._session.add(row)
        row.scopes = sorted(scopes.union(row.scopes))
        row.openid_scopes = sorted(openid_scopes.union(row.openid_scopes))
        row.granted_at = now
        self._session.flush()

    def delete(self, user_id: str, client_id: str) -> bool:
        """Whether there were any to delete."""
        row = ConsentRow
        deleted: Any = self._session.execute(
            delete(row).where(row.user_id == user_id, row.client_id == client_id)
        )
        return bool(deleted.rowcount)
