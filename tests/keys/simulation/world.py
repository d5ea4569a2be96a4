"""A house with its processes and followers, and the time that passes there.

Time jumps from one moment of somebody's diary to the next. Before and after each, every process
signs, and everybody who may still hold a key set verifies. The followers are the worst there can
be: somebody always asked in the very last moment, and keeps what they got for as long as allowed.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import chain

from issuer.keys import KeyState
from issuer.keys.schedule import state_at
from issuer.keys.store import KeyStore, StoredKeys
from issuer.vocabulary import MAX_TOKEN, VERIFIERS_BEHIND, SigningAlgorithm
from tests.keys.simulation.followers import HeldSet
from tests.keys.simulation.history import History
from tests.keys.simulation.invariants import check
from tests.keys.simulation.memory import AuditLog, Session
from tests.keys.simulation.processes import Character, Policy, Process

START = datetime(2026, 1, 1, tzinfo=UTC)
NEVER = datetime.max.replace(tzinfo=UTC)
INSTANT = timedelta(microseconds=1)


class World:
    """`now` is true: the clocks of processes are ahead of it or behind by up to `clocks_off`."""

    def __init__(self, algorithms: Sequence[SigningAlgorithm], clocks_off: timedelta) -> None:
        self.now = START
        self.policy: Policy
        self.algorithms = algorithms
        self.clocks_off = clocks_off
        self.record = AuditLog()
        self.history = History()
        self.processes: list[Process] = []
        self._looking: list[Process] = []
        self.held: list[HeldSet] = []
        self.key_sets: list[HeldSet] = []
        self.signing: dict[Process, dict[SigningAlgorithm, str]] = {}

    def stored(self) -> StoredKeys:
        """As the database has it in this moment."""
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
        """Everything happens that is due until then."""
        self._let_look()
        while (due := self._next_due()) <= moment:
            self._go_to(due)
            self._looking = [each for each in self.processes if due in each.looks_around()]
            self._let_look()
        self._go_to(moment)

    def committed(self, announce_for: timedelta) -> None:
        """The record has changed; nobody has seen it yet, and somebody asks everyone."""
        self.history.committed(self.stored(), self.now, announce_for)
        for process in self.processes:
            process.unseen_since = process.unseen_since or self.now
            self.hold(process.answers())

    def hold(self, key_set: HeldSet) -> None:
        """A follower keeps it."""
        self.held.append(key_set)
        self.history.given(key_set)

    def examine(self) -> None:
        """Everybody signs, everybody verifies."""
        self.held = [each for each in self.held if each.until > self.now]
        self.key_sets = [*self.held, *(each.answers() for each in self.processes)]
        self.signing = {each: each.signing() for each in self.processes}
        for process, signing in self.signing.items():
            for kid in signing.values():
                self.history.signed(kid, self._believed_until(process))
        self.history.retired |= self._retired_by_every_clock()
        check(self)

    def _let_look(self) -> None:
        """One after the other; while one of them makes a key, the others go on."""
        while self._looking:
            self._looking.pop().look()
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

    def _believed_until(self, process: Process) -> datetime:
        """When a token issued now is dead even to the verifier whose clock is furthest behind.

        Which is `VERIFIERS_BEHIND`, by the clock of whichever process.
        """
        return process.clock() + MAX_TOKEN + VERIFIERS_BEHIND - self.clocks_off

    def _retired_by_every_clock(self) -> set[str]:
        usable, slowest = self.history.usable, self.now - self.clocks_off
        return {key.kid for key in usable if state_at(usable, key, slowest) is KeyState.RETIRED}
