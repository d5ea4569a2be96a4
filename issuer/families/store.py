"""Families of refresh tokens in SQL."""

from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, exists, or_, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from issuer.database.tables import (
    ClientAudienceRow,
    ClientRow,
    RefreshAccessTokenRow,
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

    def move_on(
        self, family: Family, digest: bytes, salt: bytes, asked: bytes, now: datetime
    ) -> bool:
        """The newest token is now another; False if it is not the one of `family` any more."""
        values = {"digest": digest, "salt": salt, "asked": asked, "rotated_at": now}
        return self._swap(family, values)

    def stay(self, family: Family) -> bool:
        """Nobody moves on until the commit; False if somebody has."""
        return self._swap(family, {"digest": family.digest})

    def add_access_token(self, family_id: str, jti: str, expires_at: datetime) -> None:
        """One more that ends with the family; those that have expired need no end."""
        self._session.add(
            RefreshAccessTokenRow(jti=jti, family_id=family_id, expires_at=expires_at)
        )
        self._session.flush()

    def end(self, family_id: str) -> dict[str, datetime] | None:
        """The family is gone; the access tokens it gave. None if it was gone before."""
        row = RefreshAccessTokenRow
        # The family first: whoever is about to give one more access token holds it.
        held = select(RefreshFamilyRow.id).where(RefreshFamilyRow.id == family_id)
        if self._session.scalars(held.with_for_update()).one_or_none() is None:
            return None
        query = select(row.jti, row.expires_at).where(row.family_id == family_id)
        given = {jti: expires_at for jti, expires_at in self._session.execute(query)}  # noqa: C416
        self._session.execute(delete(RefreshFamilyRow).where(RefreshFamilyRow.id == family_id))
        return given

    def end_of_user(self, user_id: str) -> None:
        """Every family of the user is gone."""
        self._end_all(RefreshFamilyRow.user_id, user_id)

    def end_of_client(self, client_id: str) -> None:
        """Every family of the client is gone, whoever the user."""
        self._end_all(RefreshFamilyRow.client_id, client_id)

    def end_of_audience(self, audience_id: str) -> None:
        """Every family for the audience is gone, whoever has it."""
        self._end_all(RefreshFamilyRow.audience_id, audience_id)

    def forget_expired(self, lifetimes: Lifetimes, now: datetime, believed_until: datetime) -> bool:
        """Delete some families and access tokens that have expired; whether there may be more.

        An access token is believed for longer where a clock is behind.
        """
        family, token = RefreshFamilyRow, RefreshAccessTokenRow
        expired = or_(
            family.rotated_at <= now - lifetimes.idle, family.created_at <= now - lifetimes.longest
        )
        families = self._forget(family.id, expired)
        return self._forget(token.jti, token.expires_at <= believed_until) or families

    def _swap(self, family: Family, values: dict[str, object]) -> bool:
        row = RefreshFamilyRow
        swapped: Any = self._session.execute(
            update(row).where(row.id == family.id, row.digest == family.digest).values(values)
        )
        return bool(swapped.rowcount)

    def _end_all(self, column: InstrumentedAttribute[str], whose: str) -> None:
        self._session.execute(delete(RefreshFamilyRow).where(column == whose))

    def _forget(self, key: InstrumentedAttribute[str], expired: ColumnElement[bool]) -> bool:
        some: Iterable[str] = self._session.scalars(select(key).where(expired).limit(_SOME)).all()
        deleted: Any = self._session.execute(delete(key.class_).where(key.in_(some), expired))
        return bool(deleted.rowcount == _SOME)
