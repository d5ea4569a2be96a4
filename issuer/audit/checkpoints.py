"""Checkpoints: signed statements of where the chains end, each naming the one before it."""

import base64
import hashlib
import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Self, TypeAlias

from issuer.audit import store
from issuer.audit.chain_store import ChainHead, ChainKey
from issuer.clock import Clock
from issuer.database import Database, Session
from issuer.database.tables import AuditCheckpointRow
from issuer.telemetry.logs import get_logger

Ends: TypeAlias = Mapping[str, ChainHead]

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Pruned:
    """What retention has deleted, or (not `done`) is deleting.

    That is everything under checkpoint `through`, whose token has the digest `digest`, and that
    checkpoint itself, made at `until`. Chains with newer rows continue from `ends`; no row before
    `first` is left.
    """

    through: int
    digest: str
    until: datetime
    ends: Ends
    first: int = 0
    done: bool = False

    def claims(self) -> dict[str, Any]:
        return {
            "through": self.through,
            "digest": self.digest,
            "until": int(self.until.timestamp()),
            "chains": _as_json(self.ends),
            "first": self.first,
            "done": self.done,
        }

    @classmethod
    def read(cls, claims: Mapping[str, Any]) -> Self:
        until, ends = datetime.fromtimestamp(claims["until"], UTC), _from_json(claims["chains"])
        return cls(
            claims["through"], claims["digest"], until, ends, claims["first"], claims["done"]
        )


@dataclass(frozen=True, slots=True)
class Statement:
    """A checkpoint. `ends` has the chains that have grown since `previous`, the one before."""

    issuer: str
    number: int
    made_at: datetime
    previous: str | None
    ends: Ends = field(default_factory=dict)
    pruned: Pruned | None = None

    def claims(self) -> dict[str, Any]:
        """The statement as claims of a JWT."""
        claims: dict[str, Any] = {
            "iss": self.issuer,
            "iat": int(self.made_at.timestamp()),
            "exp": 0,  # expired: no resource server accepts it as an access token
            "number": self.number,
            "previous": self.previous,
            "chains": _as_json(self.ends),
        }

        if self.pruned is not None:
            claims["pruned"] = self.pruned.claims()
        return claims

    @classmethod
    def read(cls, claims: Mapping[str, Any]) -> Self:
        """The statement of these claims; `LookupError` or `ValueError` for other claims."""
        made_at, ends = datetime.fromtimestamp(claims["iat"], UTC), _from_json(claims["chains"])
        pruned = Pruned.read(claims["pruned"]) if claims.get("pruned") else None
        return cls(claims["iss"], claims["number"], made_at, claims["previous"], ends, pruned)

    @classmethod
    def of(cls, token: str) -> Self:
        """The content of `token`, whose keyed hash the caller verifies."""
        payload = token.split(".")[1]
        return cls.read(json.loads(base64.urlsafe_b64decode(payload + "==")))


def digest(token: str) -> str:
    """The digest by which a checkpoint refers to the one before."""
    return hashlib.sha256(token.encode()).hexdigest()


def last_pruned(statements: Sequence[Statement], *, done: bool) -> Pruned | None:
    """What retention has deleted last, or (not `done`) begun to delete."""
    found = [each.pruned for each in statements if each.pruned and each.pruned.done is done]
    return found[-1] if found else None


def ends_through(number: int, statements: Sequence[Statement]) -> dict[str, ChainHead]:
    """Where the chains ended at checkpoint `number`, including those that retention has cut."""
    done = last_pruned(statements, done=True)
    ends = dict(done.ends) if done else {}
    for statement in statements:
        if statement.number <= number:
            ends.update(statement.ends)
    return ends


def _as_json(ends: Ends) -> dict[str, list[Any]]:
    return {chain: [end.seq, end.hash.hex()] for chain, end in ends.items()}


def _from_json(ends: Mapping[str, list[Any]]) -> dict[str, ChainHead]:
    return {chain: ChainHead(seq, bytes.fromhex(text)) for chain, (seq, text) in ends.items()}


@dataclass(frozen=True, slots=True)
class Coverage:
    """The newest checkpoint, if there is one, and the last row of each chain that one covers.

    `uncovered` rows could be cut off undetected. Not `is_intact` if covered rows are missing at the
    end of a chain, or if the checkpoint was changed; only `verify` checks every row.
    """

    number: int | None
    made_at: datetime | None
    covered: Mapping[str, int]
    uncovered: int
    is_intact: bool


@dataclass(eq=False)
class Checkpoints:
    """Makes checkpoints. Rows that one covers cannot be cut off undetected."""

    database: Database
    clock: Clock
    issuer: str
    key: ChainKey
    sign: Callable[[Mapping[str, object]], str]
    # When a checkpoint last covered every event, as far as this process knows.
    covered_at: datetime | None = field(default=None, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)
    _newest: int = field(default=0, init=False)
    _named: dict[str, ChainHead] = field(default_factory=dict, init=False)

    def coverage(self) -> "Coverage":
        """What the newest checkpoint covers now, from a few index look-ups for each chain."""
        with self._lock, self.database.reading() as session:
            newest = self._catch_up(session)
            ends = {chain: end.seq for chain, end in store.ends(session).items()}
            covered = {chain: end.seq for chain, end in self._named.items()}
        uncovered = sum(max(0, seq - covered.get(chain, 0)) for chain, seq in ends.items())
        missing = any(seq < covered.get(chain, 0) for chain, seq in ends.items())
        number, made_at = (newest.number, newest.made_at) if newest else (None, None)
        is_intact = not missing and (newest is None or self.key.is_mac(newest.mac, newest.token))
        return Coverage(number, made_at, covered, uncovered, is_intact=is_intact)

    def make(self, unless_since: datetime | None = None) -> str | None:
        """Make a checkpoint if there are events since the newest; the token of the newest.

        Makes none if there is one since `unless_since`. Returns None if there is none at all.
        """
        with self._lock:
            with self.database.reading() as session:
                self._catch_up(session)
            with self.database.changing() as session:
                newest = self._catch_up(session)
                if newest and unless_since and newest.made_at > unless_since:
                    self.covered_at = newest.made_at
                    return newest.token
                now, grown = self.clock(), self._grown(session)
                token = newest.token if newest else None
                if grown:
                    token = self._add(session, grown)
        self.covered_at = now
        return token

    def add(self, session: Session, pruned: Pruned) -> None:
        """A checkpoint that says what was deleted, in the transaction of a change."""
        with self._lock:
            self._catch_up(session)
            self._add(session, self._grown(session), pruned)

    def _add(self, session: Session, grown: Ends, pruned: Pruned | None = None) -> str:
        """Store a checkpoint, and log it: an attacker on the database may not reach the logs."""
        before = store.newest_checkpoint(session)
        number, previous = (before.number + 1, digest(before.token)) if before else (1, None)
        now = self.clock().replace(microsecond=0)
        statement = Statement(self.issuer, number, now, previous, grown, pruned)
        token = self.sign(statement.claims())
        mac = self.key.mac(token)
        store.add_checkpoint(session, number=number, made_at=now, token=token, mac=mac)
        log.info("audit_checkpoint", number=number, token=token)
        return token

    def _catch_up(self, session: Session) -> AuditCheckpointRow | None:
        """Read the checkpoints of other processes; the newest checkpoint."""
        newest = store.newest_checkpoint(session)
        if self._newest > (newest.number if newest else 0):
            log.critical("audit_checkpoints_missing", after=newest and newest.number)
            self._newest, self._named = 0, {}
        for row in store.checkpoints(session, after=self._newest):
            self._newest = row.number
            if self.key.is_mac(row.mac, row.token):
                self._named.update(Statement.of(row.token).ends)
            else:
                log.critical("audit_checkpoint_changed", number=row.number)
        return newest

    def _grown(self, session: Session) -> dict[str, ChainHead]:
        grown = {}
        for chain, end in store.ends(session).items():
            known = self._named.get(chain, ChainHead())
            if end.seq > known.seq:
                grown[chain] = end
            elif end != known:
                log.critical("audit_events_missing", chain=chain, after=end.seq)
        return grown
