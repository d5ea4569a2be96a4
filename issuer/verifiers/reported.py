"""The reports that this process has received: collected in memory, shared through the database."""

import threading
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address, ip_network
from typing import TypeAlias

from issuer.clock import Clock
from issuer.database import Database
from issuer.fields.networks import UNKNOWN
from issuer.telemetry.logs import get_logger
from issuer.verifiers.known_verifier import (
    LIVE_FOR,
    MOST,
    MOST_OF_NETWORK,
    WRITTEN_EVERY,
    KnownVerifier,
    LeftOut,
    VerifierIdentity,
    VerifierReport,
    read_report,
    within_limits,
)
from issuer.verifiers.known_verifiers import REMEDY
from issuer.verifiers.store import VerifierStore

Reports: TypeAlias = Mapping[VerifierIdentity, VerifierReport]
Known: TypeAlias = Mapping[VerifierIdentity, KnownVerifier]

POLL_INTERVAL = timedelta(seconds=5)
_WARNED_EVERY = 600.0

log = get_logger(__name__)


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
