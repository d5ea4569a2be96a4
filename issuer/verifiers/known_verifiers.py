"""The known verifiers, within one transaction; and the reports that this process has received."""

import threading
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address, ip_network
from typing import TypeAlias

from pydantic import BaseModel

from issuer.clock import Clock
from issuer.database import Database, Session
from issuer.errors import NotAllowed
from issuer.fields.networks import UNKNOWN
from issuer.keys import Keys, SigningKey
from issuer.telemetry.logs import get_logger
from issuer.verifiers.known_verifier import (
    KEPT_FOR,
    LIVE_FOR,
    MOST,
    MOST_OF_NETWORK,
    WRITTEN_EVERY,
    KnownVerifier,
    LeftOut,
    NextKeys,
    VerifierIdentity,
    VerifierReport,
    next_keys_of,
    read_report,
    within_limits,
)
from issuer.verifiers.store import VerifierStore
from issuer.vocabulary import SigningAlgorithm

Reports: TypeAlias = Mapping[VerifierIdentity, VerifierReport]
Known: TypeAlias = Mapping[VerifierIdentity, KnownVerifier]

POLL_INTERVAL = timedelta(seconds=5)
_WARNED_EVERY = 600.0
_NAMED = 3
REMEDY = "Set ISSUER_VERIFIER_NETWORKS to the networks of your AgentOS."


log = get_logger(__name__)


class VerifiersLackKey(NotAllowed):
    """A rotation is refused while live verifiers lack the next key, or may lack it."""


class DescribedVerifier(BaseModel):
    """A process of an AgentOS that reported in the last day. Everything in it is unverified.

    It is `live` if it reported in the last three minutes. It does not hold `missing_kid`, the next
    key of the algorithm of its audience.
    """

    audience: str
    address: str
    instance: str
    adapter_version: str
    agno_version: str | None
    kids: list[str]
    feed_issued_at: datetime | None
    first_seen_at: datetime
    seen_at: datetime
    live: bool
    missing_kid: str | None

    @property
    def name(self) -> str:
        """For people; processes at one address share it."""
        return f"{self.audience} at {self.address}"

    @property
    def key(self) -> str:
        """By which a list is ordered. None of the parts has a space."""
        return f"{self.audience} {self.address} {self.instance}"


class LeftOutVerifiers(BaseModel):
    """About so many live verifiers were left out at `last_at`, since too many reported.

    It `is_recent` in the next three minutes: they may lack the next key.
    """

    number: int
    last_at: datetime
    is_recent: bool

    def __str__(self) -> str:
        which = "verifier was" if self.number == 1 else "verifiers were"
        return f"About {self.number:,} {which} left out at {self.last_at:%Y-%m-%d %H:%M:%S} UTC"


class KnownVerifiers:
    """Verifiers and the keys that they say they hold: anybody can send such a report."""

    def __init__(
        self, session: Session, keys: Keys, clock: Clock, algorithms: Sequence[SigningAlgorithm]
    ) -> None:
        self._store = VerifierStore(session)
        self._keys = keys
        self._clock = clock
        self._algorithms = algorithms

    def page(self, after: str | None, limit: int) -> Sequence[DescribedVerifier]:
        """At most `limit` whose `key` follows `after`."""
        following = [each for each in self.all() if after is None or each.key > after]
        return following[:limit]

    def all(self) -> list[DescribedVerifier]:
        """Verifiers of the last day, in order of `key`."""
        now = self._clock()
        next_keys = next_keys_of(self._keys.all(), now)
        kept = (each for each in self._store.all() if each.is_kept(now))
        return sorted((_describe(each, next_keys, now) for each in kept), key=lambda it: it.key)

    def left_out(self) -> LeftOutVerifiers | None:
        """What was left out in the last day, by any process."""
        now, found = self._clock(), self._store.left_out()
        if found is None or abs(now - found.last_at) > KEPT_FOR:
            return None
        return LeftOutVerifiers(**asdict(found), is_recent=found.is_recent(now))

    def left_out_just_now(self) -> LeftOutVerifiers | None:
        """What was left out in the last three minutes."""
        found = self.left_out()
        return found if found and found.is_recent else None

    def lacking(self, key: SigningKey) -> list[DescribedVerifier]:
        """Live ones that verify tokens of the algorithm of `key`, the next one, without it."""
        return [each for each in self.all() if each.live and each.missing_kid == key.kid]

    def rotate_keys(self, alg: SigningAlgorithm | None, *, force: bool = False) -> None:
        """Rotate the keys of `alg`, by default of each algorithm: all of them or none."""
        if alg is not None and alg not in self._algorithms:
            raise NotAllowed(f"ISSUER_SIGNING_ALGORITHMS does not name {alg}.")
        for rotated in [alg] if alg else self._algorithms:
            self.rotate_key(rotated, force=force)

    def rotate_key(self, alg: SigningAlgorithm, *, force: bool = False) -> SigningKey:
        """The next key of `alg` signs from now on; `NotYet` if it was announced too recently.

        `VerifiersLackKey` while a live verifier lacks it or may lack it, unless `force`.
        """
        key = self._keys.rotatable(alg)
        if not force:
            self.require_next_key(key)
            return self._keys.rotate(alg)
        details = {"verifiers_lacking": len(self.lacking(key))}
        if left_out := self.left_out_just_now():
            details["verifiers_left_out"] = left_out.number
        return self._keys.rotate(alg, **details)

    def require_next_key(self, key: SigningKey) -> None:
        """`VerifiersLackKey`, with the first names, if some live ones lack `key`.

        The same if some were left out just now: nobody knows what they hold.
        """
        lacking, left_out = self.lacking(key), self.left_out_just_now()
        if left_out and not lacking:
            raise VerifiersLackKey(
                f"{left_out}, since more reported than are kept, and may lack the next {key.alg}"
                f" key {key.kid}. {REMEDY} Or wait for three minutes without one, or force the"
                " rotation."
            )
        if not lacking:
            return
        names = ", ".join(each.name for each in lacking[:_NAMED])
        more = f" and {len(lacking) - _NAMED} more" if len(lacking) > _NAMED else ""
        raise VerifiersLackKey(
            f"A live verifier lacks the next {key.alg} key {key.kid} and would refuse its tokens:"
            f" {names}{more}. Wait until it has fetched the key set, or force the rotation."
        )


def _describe(verifier: KnownVerifier, next_keys: NextKeys, now: datetime) -> DescribedVerifier:
    said = asdict(verifier.report)
    return DescribedVerifier(
        **said.pop("identity")._asdict(),
        **said,
        first_seen_at=verifier.first_seen_at,
        live=verifier.is_live(now),
        missing_kid=verifier.missing(next_keys, now),
    )


@dataclass(frozen=True, slots=True)
class _Changes:
    """What is to be written of the reports that are `due`, so that `kept` are the known ones."""

    due: Reports
    kept: Known
    saved: Collection[KnownVerifier]
    deleted: Collection[VerifierIdentity]
    left_out: int

    def __bool__(self) -> bool:
        return bool(self.saved or self.deleted or self.left_out)


class ReportedVerifiers:
    """Adds no query to a request. A crash loses a few seconds; verifiers report again.

    Reports from other than `networks` are ignored, if there are any. `known` are all verifiers, as
    this process has last read them, a minute ago at most; `left_out` is what any process left out.
    """

    def __init__(self, database: Database, clock: Clock, networks: Iterable[str] = ()) -> None:
        self._database = database
        self._clock = clock
        self._networks = [ip_network(each) for each in networks]
        self._lock = threading.Lock()
        self._new: dict[VerifierIdentity, VerifierReport] = {}
        self._new_of_network: Counter[str] = Counter()
        self._read_again_at = clock.monotonic()
        self._warn_again_at = clock.monotonic()
        self._turned_away = 0
        self._began_at = clock()
        self._last_before: datetime | None = None
        self.known: Known = {}
        self.left_out: LeftOut | None = None

    def note(self, header: bytes, address: str | None) -> None:
        """A request from `address` had this header. Anything may be in it; it is never refused."""
        report = read_report(header, address, self._clock())
        if report is None or not self._is_from_network(report):
            return
        with self._lock:
            if report.identity not in self._new:
                is_network_full = self._new_of_network[report.network] >= MOST_OF_NETWORK
                is_full = is_network_full or len(self._new) >= 2 * MOST
                # Known ones always have a place: a flood of others cannot displace them.
                if is_full and report.identity not in self.known:
                    self._turned_away += 1
                    return
                self._new_of_network[report.network] += 1
            self._new[report.identity] = report

    def write(self) -> None:
        """Write what is due, read what others wrote. After an error, the next call writes it."""
        with self._lock:
            reports, turned_away = dict(self._new), self._turned_away
        if turned_away or self._due(reports, self.known):
            self._write(reports, turned_away)
        elif self._clock.monotonic() >= self._read_again_at:
            with self._database.reading() as session:
                store = VerifierStore(session)
                self._note_known(store.all(), store.left_out())

    def _write(self, reports: Reports, turned_away: int) -> None:
        """Reads first without a lock, for which tokens could wait: a flood may change nothing."""
        with self._database.reading() as session:
            store = VerifierStore(session)
            changes, left_out = self._changes(store, reports, turned_away), store.left_out()
        if changes:
            with self._database.transaction() as session:
                store = VerifierStore(session, locked=True)
                store.lock()
                changes = self._changes(store, reports, turned_away)
                store.delete(changes.deleted)
                store.save(changes.saved)
                if changes.left_out:
                    left_out = LeftOut(changes.left_out, self._clock())
                    store.note_left_out(left_out)
        self._forget(changes.due, turned_away)
        self._note_known(changes.kept.values(), left_out)
        if changes.left_out and self._clock.monotonic() >= self._warn_again_at:
            self._warn_again_at = self._clock.monotonic() + _WARNED_EVERY
            log.warning("verifiers_left_out", number=changes.left_out, remedy=REMEDY)

    def _changes(self, store: VerifierStore, reports: Reports, turned_away: int) -> "_Changes":
        # Audiences first: a deletion locks them before their verifiers, too.
        algorithms = store.algorithms({key.audience for key in reports})
        stored = {each.report.identity: each for each in store.all()}
        due = self._due(reports, stored)
        after = {
            key: stored[key].after(report)
            if key in stored
            else KnownVerifier(report, algorithms[key.audience], report.seen_at, report.seen_at)
            for key, report in due.items()
            if key.audience in algorithms
        }
        kept = self._within_limits(stored, after)
        saved = [kept[key] for key in after.keys() & kept.keys()]
        now = self._clock()
        left_out = sum(after[key].is_live(now) for key in after.keys() - kept.keys())
        deleted = stored.keys() - kept.keys()
        return _Changes(due, kept, saved, deleted, left_out + turned_away)

    def _due(self, reports: Reports, known: Known) -> Reports:
        now, items = self._clock(), reports.items()
        return {key: it for key, it in items if key not in known or known[key].is_due(it, now)}

    def _within_limits(self, stored: Known, after: Known) -> dict[VerifierIdentity, KnownVerifier]:
        now, instants = self._clock(), self._instants(stored)
        live, ended = [], []
        for key, before in stored.items():
            verifier = after.get(key, before)
            if any(map(verifier.is_live, instants)):
                live.append(verifier)
            elif verifier.is_kept(now):
                ended.append(verifier)
        newcomers = [each for key, each in after.items() if key not in stored]
        kept = within_limits(live, newcomers, ended)
        return {each.report.identity: each for each in kept}

    def _instants(self, stored: Known) -> list[datetime]:
        """When a known verifier must have been live, so that no newcomer takes its place.

        After an outage of the issuer, for as long as verifiers need to report again, that is also
        when the last one reported before it.
        """
        now = self._clock()
        if self._last_before is None:
            seen = [each.report.seen_at for each in stored.values()]
            self._last_before = max((at for at in seen if at <= now), default=now)
        starts = now - self._began_at <= LIVE_FOR
        return [now, self._last_before] if starts else [now]

    def _forget(self, written: Reports, turned_away: int) -> None:
        """Forget what was written, and what is too old, such as a report of another clock."""
        oldest = self._clock() - LIVE_FOR
        with self._lock:
            self._new = {
                key: report
                for key, report in self._new.items()
                if written.get(key) is not report and report.seen_at > oldest
            }
            self._turned_away -= turned_away
            self._new_of_network = Counter(each.network for each in self._new.values())

    def _note_known(self, verifiers: Iterable[KnownVerifier], left_out: LeftOut | None) -> None:
        self.left_out = left_out
        self.known = {each.report.identity: each for each in verifiers}
        self._read_again_at = self._clock.monotonic() + WRITTEN_EVERY.total_seconds()

    def _is_from_network(self, report: VerifierReport) -> bool:
        if not self._networks:
            return True
        if (address := report.identity.address) == UNKNOWN:
            return False
        ip = ip_address(address)
        ip = getattr(ip, "ipv4_mapped", None) or ip
        return any(ip in network for network in self._networks)
