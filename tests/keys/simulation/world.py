"""An issuer with its processes and verifiers, and the time that passes.

Time jumps from one scheduled event to the next. Before and after each, every process signs, and
every verifier that may still cache a key set verifies. The worst case is assumed: some verifier
fetched the key set at the last moment, and caches it for as long as allowed.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import chain

from issuer.keys.schedule import KeyState, state_at
from issuer.keys.store import KeyStore, StoredKeys
from issuer.vocabulary import MAX_TOKEN, VERIFIERS_BEHIND, SigningAlgorithm
from tests.keys.simulation.history import History
from tests.keys.simulation.invariants import check
from tests.keys.simulation.key_sets import HeldSet
from tests.keys.simulation.memory import Session, StoredRows
from tests.keys.simulation.processes import Character, KeySettings, Process

START = datetime(2026, 1, 1, tzinfo=UTC)
NEVER = datetime.max.replace(tzinfo=UTC)
INSTANT = timedelta(microseconds=1)


class SimulatedWorld:
    """`now` is the true time; clocks of processes differ from it by up to `clocks_off`."""

    def __init__(self, algorithms: Sequence[SigningAlgorithm], clocks_off: timedelta) -> None:
        self.now = START
        self.policy: KeySettings
        self.algorithms = algorithms
        self.clocks_off = clocks_off
        self.record = StoredRows()
        self.history = History()
        self.processes: list[Process] = []
        self._looking: list[Process] = []
        self.held: list[HeldSet] = []
        self.key_sets: list[HeldSet] = []
        self.signing: dict[Process, dict[SigningAlgorithm, str]] = {}

    def stored(self) -> StoredKeys:
        """The content of the database now."""
        return KeyStore(Session(self.record.rows)).stored()

    def start(self, character: Character) -> None:
        process = Process(self, self.policy, character)
        process.start()
        self.processes.append(process)
        self.examine()

    def stop(self, process: Process) -> None:
        self.hold(process.answers())
        self.processes.remove(process)

    def run_until(self, moment: datetime) -> None:
        """Let everything happen that is due until then."""
        self._let_look()
        while (due := self._next_due()) <= moment:
            self._go_to(due)
            self._looking = [each for each in self.processes if due in each.looks_around()]
            self._let_look()
        self._go_to(moment)

    def committed(self, announce_for: timedelta) -> None:
        """The database has changed; no process has seen it, and a verifier asks each of them."""
        self.history.committed(self.stored(), self.now, announce_for)
        for process in self.processes:
            process.unseen_since = process.unseen_since or self.now
            self.hold(process.answers())

    def hold(self, key_set: HeldSet) -> None:
        """A verifier caches it."""
        self.held.append(key_set)
        self.history.served(key_set)

    def examine(self) -> None:
        """Every process signs, every verifier verifies."""
        self.held = [each for each in self.held if each.until > self.now]
        self.key_sets = [*self.held, *(each.answers() for each in self.processes)]
        self.signing = {each: each.signing() for each in self.processes}
        for process, signing in self.signing.items():
            for kid in signing.values():
                self.history.signed(kid, self._trusted_until(process))
        self.history.retired |= self._retired_by_every_clock()
        check(self)

    def _let_look(self) -> None:
        """One process after the other; while one makes a key, the others continue."""
        while self._looking:
            self._looking.pop().poll()
            self.examine()

    def _go_to(self, moment: datetime) -> None:
        if moment > self.now:
            self.now = moment
            self.examine()

    def _next_due(self) -> datetime:
        due = chain.from_iterable(each.looks_around() for each in self.processes)
        changes = chain.from_iterable(each.changes_by_itself() for each in self.processes)
        before_and_after = chain.from_iterable((each - INSTANT, each) for each in changes)
        later = (each for each in chain(due, before_and_after) if each > self.now)
        return min(later, default=NEVER)

    def _trusted_until(self, process: Process) -> datetime:
        """When a token issued now has expired even for the verifier with the slowest clock.

        That clock is `VERIFIERS_BEHIND`, compared with the clock of any process.
        """
        return process.clock() + MAX_TOKEN + VERIFIERS_BEHIND - self.clocks_off

    def _retired_by_every_clock(self) -> set[str]:
        usable, slowest = self.history.usable, self.now - self.clocks_off
        return {key.kid for key in usable if state_at(usable, key, slowest) is KeyState.RETIRED}
