"""Device authorization requests in SQL (RFC 8628)."""

from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import exists, or_, select, update

from issuer.database.store import MAX_DELETED, Statements, as_record, delete_some, insert_new
from issuer.database.tables import ClientRow, DeviceCodeRow

VALID_FOR = timedelta(minutes=10)
# Devices ask at least once a minute: who asked last before that has given up.
_ASKS_WITHIN = timedelta(minutes=2)
_KEPT_FOR = timedelta(minutes=10)  # so that a device learns that its code has expired


@dataclass(frozen=True, slots=True)
class DeviceCode:
    """What a client asked for a device, at `address`. `scopes` None: all that the user holds."""

    digest: bytes = field(repr=False)
    user_code: bytes = field(repr=False)
    request_id: str
    client_id: str
    audience_id: str | None
    scopes: tuple[str, ...] | None
    openid_scopes: frozenset[str]
    address: str | None
    network: str
    expires_at: datetime
    interval: int
    answered_at: datetime | None = None
    polled_at: datetime | None = None


class DeviceCodeStore(Statements):
    """The device codes, within one transaction."""

    def add(self, code: DeviceCode) -> bool:
        """False if the user code is taken."""
        members = asdict(code) | {"openid_scopes": sorted(code.openid_scopes)}
        return insert_new(self.session, DeviceCodeRow, members)

    def has_waiting(
        self, client_id: str, now: datetime, most: int, network: str | None = None
    ) -> bool:
        """Whether `most` requests of the client wait for users.

        With a `network`: of that network, by devices that still ask for their token.
        """
        row = DeviceCodeRow
        waiting = select(1).where(
            row.client_id == client_id, row.expires_at > now, row.answered_at.is_(None)
        )
        if network is not None:
            since = now - _ASKS_WITHIN
            asks = or_(row.polled_at > since, row.expires_at > since + VALID_FOR)
            waiting = waiting.where(row.network == network, asks)
        return self.session.scalar(waiting.offset(most - 1).limit(1)) is not None

    def has_client(self, client_id: str) -> bool:
        """Whether the client was not deleted meanwhile."""
        query = select(exists().where(ClientRow.client_id == client_id))
        return self.session.scalars(query).one()

    def find(self, digest: bytes) -> DeviceCode | None:
        return self._read(DeviceCodeRow.digest == digest)

    def find_by_user_code(self, user_code: bytes) -> DeviceCode | None:
        return self._read(DeviceCodeRow.user_code == user_code)

    def note_poll(self, digest: bytes, now: datetime, interval: int) -> None:
        row = DeviceCodeRow
        values = {"polled_at": now, "interval": interval}
        self.session.execute(update(row).where(row.digest == digest).values(values))

    def answer(self, digest: bytes, now: datetime) -> datetime | None:
        """Note that the user has answered; until when the code can be used.

        None if it was answered before, or has expired.
        """
        row = DeviceCodeRow
        answered = (
            update(row)
            .where(row.digest == digest, row.answered_at.is_(None), row.expires_at > now)
            .values(answered_at=now)
            .returning(row.expires_at)
        )
        return self.session.scalars(answered).one_or_none()

    def delete_expired(self, now: datetime) -> bool:
        """Delete some codes that have expired; whether there may be more."""
        is_over = DeviceCodeRow.expires_at <= now - _KEPT_FOR
        return delete_some(self.session, DeviceCodeRow, is_over) == MAX_DELETED

    def _read(self, condition: Any) -> DeviceCode | None:
        row = self.session.scalars(select(DeviceCodeRow).where(condition)).one_or_none()
        if row is None:
            return None
        return as_record(
            DeviceCode,
            row,
            scopes=None if row.scopes is None else tuple(row.scopes),
            openid_scopes=frozenset(row.openid_scopes),
        )
