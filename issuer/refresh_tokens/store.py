"""Families of refresh tokens in SQL."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import and_, case, delete, exists, or_, select, update
from sqlalchemy.orm import Session

from issuer.database.counts import read_feed_state
from issuer.database.tables import (
    ClientAudienceRow,
    ClientRow,
    RefreshFamilyRow,
    RevokedPrincipalRow,
    UserRow,
)
from issuer.refresh_tokens.family import Family, Lifetimes

_SOME = 1_000
# The claim that an entry of the revocation feed stands for, and what a family has of it.
_WHOSE = {
    "sub": RefreshFamilyRow.user_id,
    "client_id": RefreshFamilyRow.client_id,
    "aud": RefreshFamilyRow.audience_id,
}
_HAS_ENDED = (
    exists()
    .where(
        or_(
            *(
                and_(RevokedPrincipalRow.kind == kind, RevokedPrincipalRow.id == column)
                for kind, column in _WHOSE.items()
            )
        ),
        RevokedPrincipalRow.families_before > RefreshFamilyRow.change,
    )
    .correlate(RefreshFamilyRow)
)


class FamilyStore:
    """The families, within one transaction."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def find(self, handle: bytes) -> Family | None:
        """The living family whose tokens name this handle."""
        query = select(RefreshFamilyRow).where(RefreshFamilyRow.handle == handle, ~_HAS_ENDED)
        row = self._session.scalars(query).one_or_none()
        if row is None:
            return None
        columns = {name: getattr(row, name) for name in Family.__dataclass_fields__}
        return Family(**{**columns, "scopes": frozenset(row.scopes)})

    def add(self, family: Family) -> None:
        members = {**asdict(family), "scopes": sorted(family.scopes)}
        began_at = read_feed_state(self._session).count
        self._session.add(RefreshFamilyRow(**members, change=began_at))
        self._session.flush()

    def is_still_as_authenticated(
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
            .where(row.id == family.id, row.digest == family.digest, ~_HAS_ENDED)
            .values(**values, access_until=until)
        )
        return bool(swapped.rowcount)

    def end(self, family_id: str) -> datetime | None:
        """The family is gone; when its last access token expires. None if it was gone before."""
        row = RefreshFamilyRow
        gone = delete(row).where(row.id == family_id, ~_HAS_ENDED).returning(row.access_until)
        return self._session.scalars(gone).one_or_none()

    def ended(self) -> list[str]:
        """Some families that ended with all of their user, client or audience."""
        row, whose = RefreshFamilyRow, RevokedPrincipalRow
        found: list[str] = []
        for kind, column in _WHOSE.items():
            # From the few entries to their families, which an index finds.
            ended = (
                select(row.id)
                .join(whose, and_(whose.kind == kind, whose.id == column))
                .where(whose.families_before > row.change)
                .limit(_SOME)
            )
            found += self._session.scalars(ended)
        return found[:_SOME]

    def delete(self, family_ids: Sequence[str]) -> None:
        self._session.execute(delete(RefreshFamilyRow).where(RefreshFamilyRow.id.in_(family_ids)))

    def forget_expired(self, lifetimes: Lifetimes, now: datetime) -> bool:
        """Delete some families that have expired; whether there may be more."""
        row = RefreshFamilyRow
        expired = or_(
            row.rotated_at <= now - lifetimes.idle, row.created_at <= now - lifetimes.longest
        )
        some = self._session.scalars(select(row.id).where(expired).limit(_SOME)).all()
        deleted: Any = self._session.execute(delete(row).where(row.id.in_(some), expired))
        return bool(deleted.rowcount == _SOME)
