"""Revocations in SQL. Whoever writes holds the feed's row until the commit: one after another."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import case, delete, exists, func, or_, select, tuple_, update
from sqlalchemy.orm import Session

from issuer.database import FeedState
from issuer.database.conflicts import insert_into
from issuer.database.counts import read_feed_state
from issuer.database.tables import RevocationFeedRow, RevokedPrincipalRow, RevokedTokenRow

_MOST_ROWS_A_STATEMENT = 1_000


@dataclass(frozen=True, slots=True)
class Principal:
    """Whose tokens: `kind` is the member of the feed that names them, compared byte for byte."""

    kind: str
    id: str


class RevocationStore:
    """The revocations, within one transaction."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def state(self) -> FeedState:
        """The feed's row as this transaction sees it."""
        return read_feed_state(self._session)

    def count_the_change(self, now: datetime) -> int:
        """The number of the change about to be written, and the feed is of `now` at least.

        First of all: whoever reads that number has all changes up to it, since the row is held
        until they are committed.
        """
        later = case((RevocationFeedRow.issued_at < now, now), else_=RevocationFeedRow.issued_at)
        moved = update(RevocationFeedRow).values(count=RevocationFeedRow.count + 1, issued_at=later)
        return self._session.scalars(moved.returning(RevocationFeedRow.count)).one()

    def move_on(self, now: datetime, *, older_than: datetime) -> None:
        """The feed is of `now`, if it was of an earlier time than that. Of many one moves it."""
        self._session.execute(
            update(RevocationFeedRow)
            .where(RevocationFeedRow.issued_at <= older_than)
            .values(issued_at=now)
        )

    def add_tokens(self, expirations: Mapping[str, datetime], change: int) -> None:
        """By `jti`. One that is there stays, with the later of both instants."""
        rows = [
            {"jti": jti, "expires_at": expires_at, "change": change}
            for jti, expires_at in expirations.items()
        ]
        for start in range(0, len(rows), _MOST_ROWS_A_STATEMENT):
            some = rows[start : start + _MOST_ROWS_A_STATEMENT]
            self._keep_latest(RevokedTokenRow, some, "jti", by="expires_at")

    def has_tokens(self, number: int) -> bool:
        """Whether so many tokens are revoked, expired ones that are still there included."""
        counted = self._session.scalars(select(func.count()).select_from(RevokedTokenRow)).one()
        return counted >= number

    def add_principal(
        self, whose: Principal, not_after: datetime, expires_at: datetime, change: int
    ) -> None:
        """What is there already only moves forward."""
        row = {
            "kind": whose.kind,
            "id": whose.id,
            "not_after": not_after,
            "expires_at": expires_at,
            "change": change,
        }
        self._keep_latest(RevokedPrincipalRow, [row], "kind", "id", by="not_after")

    def tokens(self, since: int = 0) -> Iterable[tuple[str, datetime]]:
        """`jti` and `exp` of what was revoked after change `since`."""
        row = RevokedTokenRow
        found = self._session.execute(select(row.jti, row.expires_at).where(row.change > since))
        return ((jti, expires_at) for jti, expires_at in found)

    def principals(self, since: int = 0) -> Iterable[tuple[Principal, datetime]]:
        """Whose tokens were revoked after change `since`, issued until when."""
        row = RevokedPrincipalRow
        found = self._session.execute(
            select(row.kind, row.id, row.not_after).where(row.change > since)
        )
        return ((Principal(kind, name), not_after) for kind, name, not_after in found)

    def names(self, jti: str, principals: Iterable[Principal], issued_at: datetime) -> bool:
        """Whether any entry is about the token, by the database as it is now."""
        whose = [(each.kind, each.id) for each in principals]
        key = tuple_(RevokedPrincipalRow.kind, RevokedPrincipalRow.id)
        query = select(
            or_(
                exists().where(RevokedTokenRow.jti == jti),
                exists().where(key.in_(whose), RevokedPrincipalRow.not_after >= issued_at),
            )
        )
        return self._session.scalars(query).one()

    def forget(self, expired_at: datetime) -> int:
        """Delete what had expired then; how many entries that were."""
        gone = 0
        for row in (RevokedTokenRow, RevokedPrincipalRow):
            deleted: Any = self._session.execute(delete(row).where(row.expires_at <= expired_at))
            gone += deleted.rowcount
        return gone

    def _keep_latest(
        self,
        table: type[RevokedTokenRow | RevokedPrincipalRow],
        rows: Iterable[Mapping[str, object]],
        *key: str,
        by: str,
    ) -> None:
        adding = insert_into(self._session, table).values(list(rows))
        others = {column.name for column in table.__table__.columns} - set(key)
        self._session.execute(
            adding.on_conflict_do_update(
                index_elements=key,
                set_={name: adding.excluded[name] for name in others},
                where=adding.excluded[by] > getattr(table, by),
            )
        )
