"""Device authorization requests in SQL (RFC 8628)."""

from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import or_, select, update

from issuer.database.store import MAX_DELETED, Statements, as_record, delete_some, insert_new
from issuer.database.tables import ClientRow
from issuer.database.tables import DeviceCodeRow as Row

VALID_FOR = timedelta(minutes=10)
# Devices ask at least once a minute: who asked last before that has given up.
_ASKS_WITHIN = timedelta(minutes=2)
_KEPT_FOR = timedelta(minutes=10)  # so that a device learns that its code has expired


@dataclass(frozen=True, slots=True)
class DeviceCode:
    """What a client asked for a device, at `address`. `scopes` None: all that the user holds.

    `dpop_jkt`: the thumbprint of the key without which the code is of no use.
    """

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
    dpop_jkt: str | None = None


class DeviceCodeStore(Statements):
    def add(self, code: DeviceCode) -> bool:
        """False if the user code is taken."""
        members = asdict(code) | {"openid_scopes": sorted(code.openid_scopes)}
        return insert_new(self.session, Row, members)

    def has_waiting(
        self, client_id: str, now: datetime, most: int, network: str | None = None
    ) -> bool:
        """Whether `most` requests wait for users; of a `network`, where the device still asks."""
        asked = (Row.client_id == client_id, Row.expires_at > now, Row.answered_at.is_(None))
        waiting = select(1).where(*asked)
        if network is not None:
            since = now - _ASKS_WITHIN
            asks = or_(Row.polled_at > since, Row.expires_at > since + VALID_FOR)
            waiting = waiting.where(Row.network == network, asks)
        return self.session.scalar(waiting.offset(most - 1).limit(1)) is not None

    def has_client(self, client_id: str) -> bool:
        """Whether the client was not deleted meanwhile."""
        return self.has(ClientRow.client_id == client_id)

    def note_poll(self, digest: bytes, now: datetime, interval: int) -> None:
        values = {"polled_at": now, "interval": interval}
        self.session.execute(update(Row).where(Row.digest == digest).values(values))

    def answer(self, digest: bytes, now: datetime) -> datetime | None:
        """Note the answer; until when the code can be used, None if answered or expired."""
        asked = (Row.digest == digest, Row.answered_at.is_(None), Row.expires_at > now)
        answered = update(Row).where(*asked).values(answered_at=now).returning(Row.expires_at)
        return self.session.scalars(answered).one_or_none()

    def delete_expired(self, now: datetime) -> bool:
        """Delete some codes that have expired; whether there may be more."""
        is_over = Row.expires_at <= now - _KEPT_FOR
        return delete_some(self.session, Row, is_over) == MAX_DELETED

    def find(self, **which: bytes) -> DeviceCode | None:
        """The one with this `digest` or `user_code`."""
        row = self.session.scalars(select(Row).filter_by(**which)).one_or_none()
        return None if row is None else as_record(DeviceCode, row)
