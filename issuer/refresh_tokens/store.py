"""Families of refresh tokens in SQL."""

from collections.abc import Sequence
from datetime import datetime
from typing import TypeAlias

from sqlalchemy import (
    ColumnElement,
    Text,
    and_,
    case,
    cast,
    delete,
    exists,
    or_,
    select,
    update,
)

from issuer.database.counts import read_feed_state
from issuer.database.store import MAX_DELETED, Statements, as_record, delete_some, rows_changed
from issuer.database.tables import (
    ClientAudienceRow,
    ClientRow,
    RefreshFamilyRow,
    RevokedPrincipalRow,
    SignInSessionRow,
    UserRow,
)
from issuer.refresh_tokens.family import Family, Lifetimes
from issuer.revocations.store import ended_since
from issuer.scopes import OFFLINE_ACCESS

_SCOPES = ("scopes", "openid_scopes")
_COLUMNS = [name for name in Family.__dataclass_fields__ if name != "session_times"]
_OFFLINE = f'"{OFFLINE_ACCESS}"'
# For each claim that an entry of the revocation feed may name: the column of a family.
_COLUMN_OF_CLAIM = {
    "sub": RefreshFamilyRow.user_id,
    "client_id": RefreshFamilyRow.client_id,
    "aud": RefreshFamilyRow.audience_id,
}
_HAS_ENDED = ended_since(RefreshFamilyRow.change, _COLUMN_OF_CLAIM)


# A family that was deleted: its id, its client, and when its last access token expires.
EndedFamily: TypeAlias = tuple[str, str, datetime]


class FamilyStore(Statements):
    """The families, within one transaction."""

    def find(self, handle: bytes) -> Family | None:
        """The active family with this handle.

        What ends all tokens of a user ends families and sessions alike: no need to look twice.
        """
        family, session = RefreshFamilyRow, SignInSessionRow
        found = self.session.execute(
            select(family, session.created_at, session.used_at)
            .outerjoin(session, session.id == family.sign_in_session)
            .where(family.handle == handle, ~_HAS_ENDED)
        ).one_or_none()
        if found is None:
            return None
        row, began_at, used_at = found
        scopes = {name: frozenset(getattr(row, name)) for name in _SCOPES}
        times = (began_at, used_at) if began_at and used_at else None
        return as_record(Family, row, **scopes, session_times=times)

    def add(self, family: Family) -> None:
        scopes = {name: sorted(getattr(family, name)) for name in _SCOPES}
        members = {name: getattr(family, name) for name in _COLUMNS} | scopes
        began_at = read_feed_state(self.session).count
        self.session.add(RefreshFamilyRow(**members, change=began_at))
        self.session.flush()

    def is_still_as_authenticated(
        self, user_id: str, password_hash: str | None, client_id: str, audience_id: str
    ) -> bool:
        """Whether user and client are enabled, with the same password and the same audience."""
        row, at = UserRow, ClientAudienceRow
        same = row.password_hash == password_hash
        user = exists().where(row.id == user_id, same, row.disabled.is_(False))
        client = exists().where(ClientRow.client_id == client_id, ClientRow.disabled.is_(False))
        audience = exists().where(at.client_id == client_id, at.audience_id == audience_id)
        return self.session.scalars(select(and_(user, client, audience))).one()

    def swap(self, family: Family, later: Family) -> bool:
        """Compare and swap: False if the newest token is no longer the one in `family`.

        `access_until` only moves forward.
        """
        row = RefreshFamilyRow
        until = case(
            (row.access_until > later.access_until, row.access_until), else_=later.access_until
        )
        changed = ("digest", "salt", "asked", "rotated_at")
        values = {name: getattr(later, name) for name in changed}
        same = update(row).where(row.id == family.id, row.digest == family.digest, ~_HAS_ENDED)
        return rows_changed(self.session, same.values(**values, access_until=until)) == 1

    def end(self, family_id: str) -> datetime | None:
        """Delete the family; when its last access token expires. None if it had ended before."""
        row = RefreshFamilyRow
        gone = delete(row).where(row.id == family_id, ~_HAS_ENDED).returning(row.access_until)
        return self.session.scalars(gone).one_or_none()

    def end_of_session(self, session_id: str, *, with_offline: bool) -> list[EndedFamily]:
        """Delete the families of a sign-in session; `with_offline`: also with `offline_access`."""
        row = RefreshFamilyRow
        spared = () if with_offline else (~cast(row.openid_scopes, Text).contains(_OFFLINE),)
        return self._end_all(row.sign_in_session == session_id, *spared)

    def end_of_client(self, user_id: str, client_id: str) -> list[EndedFamily]:
        """Delete the families of a user through one client."""
        row = RefreshFamilyRow
        return self._end_all(row.user_id == user_id, row.client_id == client_id)

    def _end_all(self, *which: ColumnElement[bool]) -> list[EndedFamily]:
        row = RefreshFamilyRow
        gone = delete(row).where(*which, ~_HAS_ENDED)
        ended = self.session.execute(gone.returning(row.id, row.client_id, row.access_until))
        return [(family_id, client_id, until) for family_id, client_id, until in ended]

    def ended(self) -> list[str]:
        """Some families that ended because all of a user, client or audience were revoked."""
        row, entry = RefreshFamilyRow, RevokedPrincipalRow
        family_ids: list[str] = []
        for kind, column in _COLUMN_OF_CLAIM.items():
            # Join from the few entries to their families: an index finds those.
            ended = (
                select(row.id)
                .join(entry, and_(entry.kind == kind, entry.id == column))
                .where(entry.families_before > row.change)
                .limit(MAX_DELETED)
            )
            family_ids += self.session.scalars(ended)
        return family_ids[:MAX_DELETED]

    def delete(self, family_ids: Sequence[str]) -> None:
        self.session.execute(delete(RefreshFamilyRow).where(RefreshFamilyRow.id.in_(family_ids)))

    def delete_expired(self, lifetimes: Lifetimes, now: datetime) -> bool:
        """Delete some expired families; whether there may be more."""
        row = RefreshFamilyRow
        expired = or_(
            row.rotated_at <= now - lifetimes.idle, row.created_at <= now - lifetimes.longest
        )
        return delete_some(self.session, row, expired) == MAX_DELETED
