"""How events hang together: each row carries a keyed hash over itself and the row before it.

Who can change the table but not read the master key can take no row away, put none between, and
change none, without the hashes telling where.
"""

import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from issuer.audit.event import Event

# The chain of what is written in the transaction that makes the change: one for all processes.
CHANGES = "changes"
HASH_BYTES = 32

# What is hashed of a row, in this order.
COLUMNS = (
    *("id", "at", "actor", "action", "target", "outcome", "reason", "request_id", "address"),
    *("count", "details", "chain", "seq"),
)

_AT, _DETAILS = COLUMNS.index("at"), COLUMNS.index("details")
_encode = json.JSONEncoder(separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class End:
    """The last row of a chain, which the next one takes up; the default is that of no row."""

    seq: int = 0
    hash: bytes = bytes(HASH_BYTES)


@dataclass(frozen=True, slots=True)
class Linked:
    """A row to be added: its `COLUMNS` as values and as text, as they are stored, and its hash."""

    values: tuple[Any, ...]
    stored: tuple[Any, ...]
    hash: bytes


class ChainKey:
    """The key of every hash of the record."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def hash(self, before: bytes, columns: Sequence[object]) -> bytes:
        """The hash of the row with these `COLUMNS`, as stored, after one with the hash `before`.

        `TypeError` for what no row of ours holds.
        """
        return hmac.digest(self._key, before + _encode(columns).encode(), "sha256")

    def mac(self, token: str) -> bytes:
        """The hash of a checkpoint."""
        return hmac.digest(self._key, b"checkpoint " + token.encode(), "sha256")

    def is_mac(self, mac: bytes, token: str) -> bool:
        """Whether the checkpoint is one of ours."""
        return hmac.compare_digest(mac, self.mac(token))

    def linked(self, event: Event, row_id: int, chain: str, end: End) -> "Linked":
        """The row of `event` that follows `end` in `chain`."""
        values = (
            row_id,
            event.at,
            event.actor.id,
            event.action,
            event.target,
            event.outcome.value,
            event.reason,
            event.actor.request_id,
            event.actor.address,
            event.count,
            dict(event.details),
            chain,
            end.seq + 1,
        )
        # As both databases give them back as text: the record may move from one to the other.
        at, details = _instant(event.at), json.dumps(values[_DETAILS])
        stored = (row_id, at, *values[_AT + 1 : _DETAILS], details, *values[_DETAILS + 1 :])
        return Linked(values, stored, self.hash(end.hash, stored))


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
