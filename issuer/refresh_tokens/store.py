"""Families of refresh tokens in SQL."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any, NamedTuple, TypeAlias, cast

import sqlalchemy as sa

from issuer.database import Connection
from issuer.database.counts import read_feed_count, wait_for_revocations
from issuer.database.store import MAX_DELETED, Statements, as_record, delete_some, in_parts
from issuer.database.tables import (
    ClientAudienceRow,
    ClientRow,
    RevokedPrincipalRow,
    SignInSessionRow,
    UserRow,
)
from issuer.database.tables import RefreshFamilyRow as Row
from issuer.refresh_tokens.family import Family, Lifetimes
from issuer.revocations.store import ended_since, revoked_until
from issuer.scopes import OFFLINE_ACCESS

_SCOPES = ("scopes", "openid_scopes")
_COLUMNS = [name for name in Family.__dataclass_fields__ if name != "session_times"]
_ROTATED = ("digest", "salt", "asked", "rotated_at", "jkt")
_OFFLINE = f'"{OFFLINE_ACCESS}"'
# For each claim that an entry of the revocation feed may name: the column of a family.
_COLUMN_OF_CLAIM = {"sub": Row.user_id, "client_id": Row.client_id, "aud": Row.audience_id}
_HAS_ENDED = ended_since(Row.change, _COLUMN_OF_CLAIM)
# Built once, and without rows of the ORM: they run with every refresh.
_FAMILIES = cast(sa.Table, Row.__table__)
_FIND = (
    sa.select(_FAMILIES, SignInSessionRow.created_at.label("began_at"), SignInSessionRow.used_at)
    .outerjoin(SignInSessionRow, SignInSessionRow.id == Row.sign_in_session)
    .where(Row.handle.in_(sa.bindparam("handles", expanding=True)), ~_HAS_ENDED)
)
_LOCK = (
    sa.select(Row.id, Row.digest, revoked_until(_COLUMN_OF_CLAIM))
    .where(Row.id.in_(sa.bindparam("ids", expanding=True)), ~_HAS_ENDED)
    .with_for_update(of=Row, key_share=True, skip_locked=True)
)
_ADD = sa.insert(_FAMILIES)
_NOW = _FAMILIES.c
_UNTIL = sa.bindparam("its_access_until", type_=_NOW.access_until.type)
_ROTATE = (
    sa.update(_FAMILIES)
    .where(_NOW.id == sa.bindparam("its_id"))
    .values({name: sa.bindparam(f"its_{name}") for name in _ROTATED})
    .values(access_until=sa.case((_NOW.access_until > _UNTIL, _NOW.access_until), else_=_UNTIL))
)

# A family that was deleted: its id, its client, and when its last access token expires.
EndedFamily: TypeAlias = tuple[str, str, datetime]


class LockedFamily(NamedTuple):
    """A family as it is now. Access tokens issued until `revoked_until` are revoked."""

    id: str
    digest: bytes
    revoked_until: datetime | None

    def has_revoked(self, issued_at: datetime) -> bool:
        return self.revoked_until is not None and issued_at <= self.revoked_until


def lock_families(connection: Connection, family_ids: Iterable[str]) -> dict[str, LockedFamily]:
    """The active families among those, locked until the transaction ends.

    Not those that another transaction has locked, perhaps to end them: who holds a family waits
    for nothing, so there is no order of locks to keep. A token issued while its revocation is being
    committed would be newer than what that revokes: therefore those are waited for first.
    """
    wait_for_revocations(connection)
    rows = connection.execute(_LOCK, {"ids": list(family_ids)})
    return {row.id: LockedFamily(*row) for row in rows}


def store_families(connection: Connection, families: Iterable[Family]) -> None:
    """Store what a use has changed, one after the other. `access_until` only moves forward."""
    names = ("id", *_ROTATED, "access_until")
    values = [{f"its_{name}": getattr(each, name) for name in names} for each in families]
    connection.execute(_ROTATE, values)


class FamilyStore(Statements):
    def find(self, handle: bytes) -> Family | None:
        """The active family with this handle."""
        return self.find_all([handle]).get(handle)

    def find_all(self, handles: Collection[bytes]) -> dict[bytes, Family]:
        """The active families with these handles; their users' sessions ended with them."""
        rows = self.session.connection().execute(_FIND, {"handles": list(handles)})
        return {row.handle: _family(row) for row in rows}

    def add(self, family: Family) -> None:
        scopes = {name: sorted(getattr(family, name)) for name in _SCOPES}
        members = {name: getattr(family, name) for name in _COLUMNS} | scopes
        began_at = read_feed_count(self.session.connection())
        self.session.connection().execute(_ADD, {**members, "change": began_at})

    def is_still_as_authenticated(
        self, user_id: str, password_hash: str | None, client_id: str, audience_id: str
    ) -> bool:
        """Whether user and client are enabled, with the same password and the same audience."""
        row, at = UserRow, ClientAudienceRow
        same = row.password_hash == password_hash
        user = sa.exists().where(row.id == user_id, same, row.disabled.is_(False))
        client = sa.exists().where(ClientRow.client_id == client_id, ClientRow.disabled.is_(False))
        audience = sa.exists().where(at.client_id == client_id, at.audience_id == audience_id)
        return self.session.scalars(sa.select(sa.and_(user, client, audience))).one()

    def end(self, family_id: str) -> datetime | None:
        """Delete the family; when its last access token expires. None if it had ended before."""
        gone = sa.delete(Row).where(Row.id == family_id, ~_HAS_ENDED).returning(Row.access_until)
        return self.session.scalars(gone).one_or_none()

    def end_of_session(self, session_id: str, *, with_offline: bool) -> list[EndedFamily]:
        """Delete the families of a sign-in session; `with_offline`: also with `offline_access`."""
        spared = () if with_offline else (~sa.cast(Row.openid_scopes, sa.Text).contains(_OFFLINE),)
        return self._end_all(Row.sign_in_session == session_id, *spared)

    def end_outliving(self, user_ids: Collection[str]) -> None:
        """Delete the families of these users that have outlived their sign-in session."""
        began_in_one = Row.sign_in_session.is_not(None)
        is_over = ~sa.exists().where(SignInSessionRow.id == Row.sign_in_session)
        for part in in_parts(user_ids):
            self._end_all(Row.user_id.in_(part), began_in_one, is_over)

    def end_of_client(self, user_id: str, client_id: str) -> list[EndedFamily]:
        """Delete the families of a user through one client."""
        return self._end_all(Row.user_id == user_id, Row.client_id == client_id)

    def _end_all(self, *which: sa.ColumnElement[bool]) -> list[EndedFamily]:
        gone = sa.delete(Row).where(*which, ~_HAS_ENDED)
        ended = self.session.execute(gone.returning(Row.id, Row.client_id, Row.access_until))
        return [(family_id, client_id, until) for family_id, client_id, until in ended]

    def ended(self) -> list[str]:
        """Some families that ended because all of a user, client or audience were revoked."""
        entry = RevokedPrincipalRow
        family_ids: list[str] = []
        for kind, column in _COLUMN_OF_CLAIM.items():
            # Join from the few entries to their families: an index finds those.
            of_entry = sa.and_(entry.kind == kind, entry.id == column)
            ended = (
                sa.select(Row.id).join(entry, of_entry).where(entry.families_before > Row.change)
            )
            family_ids += self.session.scalars(ended.limit(MAX_DELETED))
        return family_ids[:MAX_DELETED]

    def delete(self, family_ids: Sequence[str]) -> None:
        self.session.execute(sa.delete(Row).where(Row.id.in_(family_ids)))

    def delete_expired(self, lifetimes: Lifetimes, now: datetime) -> bool:
        """Delete some expired families; whether there may be more."""
        idle, longest = now - lifetimes.idle, now - lifetimes.longest
        expired = sa.or_(Row.rotated_at <= idle, Row.created_at <= longest)
        return delete_some(self.session, Row, expired) == MAX_DELETED


def _family(row: Any) -> Family:
    times = (row.began_at, row.used_at) if row.began_at and row.used_at else None
    return as_record(Family, row, session_times=times)
