"""Signing keys in SQL: their public parts, their dates, and the handles of their backends."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from issuer.database.store import as_record
from issuer.database.tables import JwksCacheRow, SigningKeyRow
from issuer.keys.schedule import SigningKey
from issuer.vocabulary import SigningAlgorithm

# A newer program may have added algorithms that this one cannot use.
_KNOWN = (
    select(SigningKeyRow)
    .where(SigningKeyRow.alg.in_(list(SigningAlgorithm)))
    .order_by(SigningKeyRow.kid)
)

_ONLY = 1


@dataclass(frozen=True)
class StoredKeys:
    """All keys as the database has them, and by `kid` the handles of their private keys.

    Verifiers may cache the key set for `kept_for`, and one served under earlier settings until
    `kept_until`.
    """

    keys: tuple[SigningKey, ...] = ()
    handles: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    kept_for: timedelta | None = None
    kept_until: datetime | None = None


class KeyStore:
    """The keys, within one transaction."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def stored(self) -> StoredKeys:
        """Every key there is, destroyed ones included."""
        rows = self._session.scalars(_KNOWN).all()
        handles = {row.kid: row.handle for row in rows if row.handle is not None}
        # A program that did not keep `ready_at` made them to sign at that time and not before.
        keys = tuple(
            as_record(SigningKey, row, ready_at=row.ready_at or row.activates_at) for row in rows
        )
        if (promise := self._session.get(JwksCacheRow, _ONLY)) is None:
            return StoredKeys(keys, handles)
        return StoredKeys(keys, handles, promise.kept_for, promise.kept_until)

    def promise(self, kept_for: timedelta, now: datetime) -> None:
        """From `now` on, verifiers may cache the key set for `kept_for`."""
        row = self._session.get(JwksCacheRow, _ONLY)
        if row is None:
            self._session.add(JwksCacheRow(id=_ONLY, kept_for=kept_for))
            return
        if kept_for < row.kept_for:
            row.kept_until = now + row.kept_for
        row.kept_for = kept_for

    def add(self, key: SigningKey, handle: bytes) -> None:
        self._session.add(SigningKeyRow(**asdict(key), handle=handle))
        self._session.flush()

    def change(self, keys: Iterable[SigningKey]) -> None:
        """Store the dates of `keys`; one that is no longer usable loses its handle."""
        for key in keys:
            row = self._session.get_one(SigningKeyRow, key.kid)
            row.activates_at = key.activates_at
            row.revoked_at, row.destroyed_at = key.revoked_at, key.destroyed_at
            if not key.is_usable:
                row.handle = None
        self._session.flush()

    def replace_handles(self, handles: Mapping[str, bytes]) -> None:
        """Store other handles of the same private keys."""
        for kid, handle in handles.items():
            self._session.get_one(SigningKeyRow, kid).handle = handle
        self._session.flush()
