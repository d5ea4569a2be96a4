"""Families of refresh tokens in SQL."""

from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import and_, case, delete, exists, or_, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from issuer.database.tables import (
    ClientAudienceRow,
    ClientRow,
    RefreshFamilyRow,
    UserRow,
)
from issuer.families.family import Family, Lifetimes

_SOME = 1_000


class FamilyStore:
    """The families, within one transaction."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def find(self, handle: bytes) -> Family | None:
        """The living family whose tokens name this handle."""
        query = select(RefreshFamilyRow).where(RefreshFamilyRow.handle == handle)
        row = self._session.scalars(query).one_or_none()
        if row is None:
            return None
        columns = {name: getattr(row, name) for name in Family.__dataclass_fields__}
        return Family(**{**columns, "scopes": frozenset(row.scopes)})

    def add(self, family: Family) -> None:
        members = {**asdict(family), "scopes": sorted(family.scopes)}
        self._session.add(RefreshFamilyRow(**members))
        self._session.flush()

    def is_as_signed_in(
        self, user_id: str, password_hash: str | None, client_id: str, audience_id: str
    ) -> bool:
        """Whether the user still has that password and the client that audience.

        And neither is disabled.
        """
        user = exists().where(
            UserRow.id == user_id,
            UserRow.password_hash == password_hash,
            UserRow.disabled.is_(False),
        )
        client = exists().where(ClientRow.client_id == client_id, ClientRow.disabled.is_(False))
        audience = exists().where(
            ClientAudienceRow.client_id == client_id, ClientAudienceRow.audience_id == audience_id
        )
        return self._session.scalars(select(and_(user, client, audience))).one()

    def swap(self, family: Family, later: Family) -> bool:
        """The family is now as `later` says; False if its newest token is not as in `family`.

        The last expiry of its access tokens only moves forward.
        """
        row = RefreshFamilyRow
        until = case(
            (row.access_until > later.access_until, row.access_until), else_=later.access_until
        )
        changed = ("digest", "salt", "asked", "rotated_at")
        values = {name: getattr(later, name) for name in changed}
        swapped: Any = self._session.execute(
            update(row)
            .where(row.id == family.id, row.digest == family.digest)
            .values(**values, access_until=until)
        )
        return bool(swapped.rowcount)

    def end(self, family_id: str) -> datetime | None:
        """The family is gone; when its last access token expires. None if it was gone before."""
        row = RefreshFamilyRow
        gone = delete(row).where(row.id == family_id).returning(row.access_until)
        return self._session.scalars(gone).one_or_none()

    def end_of_user(self, user_id: str) -> None:
        """Every family of the user is gone."""
        self._end_all(RefreshFamilyRow.user_id, user_id)

    def end_of_client(self, client_id: str) -> None:
        """Every family of the client is gone, whoever the user."""
        self._end_all(RefreshFamilyRow.client_id, client_id)

    def end_of_audience(self, audience_id: str) -> None:
        """Every family for the audience is gone, whoever has it."""
        self._end_all(RefreshFamilyRow.audience_id, audience_id)

    def forget_expired(self, lifetimes: Lifetimes, now: datetime) -> bool:
        """Delete some families that have expired; whether there may be more."""
        row = RefreshFamilyRow
        expired = or_(
            row.rotated_at <= now - lifetimes.idle, row.created_at <= now - lifetimes.longest
        )
        some = self._session.scalars(select(row.id).where(expired).limit(_SOME)).all()
        deleted: Any = self._session.execute(delete(row).where(row.id.in_(some), expired))
        return bool(deleted.rowcount == _SOME)

    def _end_all(self, column: InstrumentedAttribute[str], whose: str) -> None:
        self._session.execute(delete(RefreshFamilyRow).where(column == whose))
