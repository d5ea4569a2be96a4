"""What happens to an issuer: drawn by hypothesis, and then carried out."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain
from typing import Protocol

from hypothesis import strategies as st

from issuer.errors import NotYet
from issuer.keys.schedule import KeyState, next_key, state_at
from issuer.vocabulary import SEEN_WITHIN, SigningAlgorithm
from tests.keys.simulation.processes import Character, KeySettings, Process
from tests.keys.simulation.world import SimulatedWorld

DAY, HOUR, MINUTE, SECOND = timedelta(1), timedelta(hours=1), timedelta(minutes=1), timedelta(0, 1)
NOT_AT_ALL = timedelta(0)

POLICIES = {
    "as delivered": KeySettings(30 * DAY, 24 * HOUR, 5 * MINUTE, 5 * MINUTE),
    "not a second to spare": KeySettings(90 * DAY, HOUR, 40 * MINUTE, 20 * MINUTE),
    "long caches": KeySettings(180 * DAY, 14 * DAY, 7 * DAY, 7 * DAY),
    "always announced": KeySettings(60 * DAY, 60 * DAY, HOUR, DAY),
    "one machine": KeySettings(60 * DAY, MINUTE, 30 * SECOND, 30 * SECOND),
}
MAX_PROCESSES = 5
MAX_CLOCKS_OFF = 30 * SECOND


class Step(Protocol):
    def happens_in(self, world: SimulatedWorld) -> None: ...


@dataclass(frozen=True)
class Wait:
    duration: timedelta

    def happens_in(self, world: SimulatedWorld) -> None:
        world.run_until(world.now + self.duration)


@dataclass(frozen=True)
class Start:
    """One more process, with the current settings."""

    character: Character

    def happens_in(self, world: SimulatedWorld) -> None:
        if len(world.processes) < MAX_PROCESSES:
            world.start(self.character)


class StopAll:
    def happens_in(self, world: SimulatedWorld) -> None:
        for process in list(world.processes):
            world.stop(process)

    def __repr__(self) -> str:
        return "StopAll()"


@dataclass(frozen=True)
class Restart:
    """With other settings: all processes stop, and one starts at once."""

    policy: str
    character: Character

    def happens_in(self, world: SimulatedWorld) -> None:
        StopAll().happens_in(world)
        world.policy = POLICIES[self.policy]
        world.start(self.character)


@dataclass(frozen=True)
class ProcessStep:
    """Something done to one process, or through it; nothing if none runs."""

    by: int

    def happens_in(self, world: SimulatedWorld) -> None:
        if world.processes:
            self.do(world, world.processes[self.by % len(world.processes)])

    def do(self, world: SimulatedWorld, process: Process) -> None:
        raise NotImplementedError


class Stop(ProcessStep):
    def do(self, world: SimulatedWorld, process: Process) -> None:
        world.stop(process)


class FetchKeySet(ProcessStep):
    """A verifier fetches the key set at any time."""

    def do(self, world: SimulatedWorld, process: Process) -> None:
        world.hold(process.answers())


@dataclass(frozen=True)
class WaitForHandOver(ProcessStep):
    """Of any key, by the clock of one process; or until a little before or after."""

    off: timedelta

    def do(self, world: SimulatedWorld, process: Process) -> None:
        if later := [at for at in process.changes_by_itself() if at > world.now]:
            world.run_until(max(world.now, min(later) + self.off))


@dataclass(frozen=True)
class Rotate(ProcessStep):
    alg: SigningAlgorithm

    def do(self, world: SimulatedWorld, process: Process) -> None:
        with suppress(NotYet):
            process.rotate(self.alg)
        world.examine()


class RotateAsSoonAsAllowed(Rotate):
    def do(self, world: SimulatedWorld, process: Process) -> None:
        if following := next_key(process.keyring.keys, self.alg, process.clock()):
            world.run_until(following.ready_at - process.clock.ahead)
        super().do(world, process)


@dataclass(frozen=True)
class Revoke(ProcessStep):
    alg: SigningAlgorithm
    state: KeyState

    def do(self, world: SimulatedWorld, process: Process) -> None:
        keys, now = process.keyring.keys, process.clock()
        for key in keys:
            if key.alg is self.alg and state_at(keys, key, now) is self.state:
                process.revoke(key.kid)
                world.examine()
                return


@dataclass(frozen=True)
class Schedule:
    """`clocks_off` is at most what the shortest of the policies allows."""

    algorithms: Sequence[SigningAlgorithm]
    clocks_off: timedelta
    steps: Sequence[Step]

    def run(self) -> SimulatedWorld:
        world = SimulatedWorld(self.algorithms, self.clocks_off)
        for step in self.steps:
            step.happens_in(world)
        return world


def durations(*often: timedelta, most: timedelta) -> st.SearchStrategy[timedelta]:
    return st.sampled_from([*often, most]) | st.timedeltas(often[0], most)


def characters(clocks_off: timedelta) -> st.SearchStrategy[Character]:
    ahead = st.sampled_from([NOT_AT_ALL, -clocks_off, clocks_off])
    return st.builds(
        Character,
        ahead=ahead | st.timedeltas(-clocks_off, clocks_off),
        late=durations(SECOND / 1000, most=SEEN_WITHIN),
        makes_keys_in=durations(NOT_AT_ALL, SECOND / 10, SECOND, 10 * SECOND, most=2 * HOUR),
    )


def extremes(clocks_off: timedelta) -> st.SearchStrategy[Character]:
    """As far off and as late as the rules allow."""
    ahead = st.sampled_from([-clocks_off, clocks_off])
    return st.builds(Character, ahead, late=st.just(SEEN_WITHIN), makes_keys_in=st.just(NOT_AT_ALL))


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    algorithms = draw(st.sampled_from([["RS256"], ["ES256", "EdDSA"]]))
    algorithms = [SigningAlgorithm(alg) for alg in algorithms]
    policies = draw(st.lists(st.sampled_from(list(POLICIES)), min_size=1, max_size=3, unique=True))
    shortest = min(POLICIES[name].announce_for for name in policies)
    clocks_off = min(MAX_CLOCKS_OFF, shortest / 120)
    by, alg = st.integers(0, MAX_PROCESSES - 1), st.sampled_from(algorithms)
    start = st.builds(Start, characters(clocks_off))
    wait = durations(SECOND / 2, 10 * SECOND, MINUTE, HOUR, DAY, 10 * DAY, 90 * DAY, most=400 * DAY)
    restart = st.builds(Restart, st.sampled_from(policies), characters(clocks_off))
    at_worst = st.builds(Restart, st.sampled_from(policies), extremes(clocks_off))
    beside = st.builds(Start, extremes(clocks_off))
    hand_over = st.builds(WaitForHandOver, by, durations(-clocks_off, NOT_AT_ALL, most=clocks_off))
    rotate_soon = st.builds(RotateAsSoonAsAllowed, by, alg)
    revoke = st.builds(Revoke, by, alg, st.sampled_from(KeyState))
    revoke_next_key = st.builds(Revoke, by, alg, st.just(KeyState.ANNOUNCED))
    step = st.one_of(
        st.builds(Wait, wait),
        start,
        st.builds(Stop, by),
        st.just(StopAll()),
        st.builds(FetchKeySet, by),
        st.builds(Rotate, by, alg),
        rotate_soon,
        revoke,
    )
    # Combinations that random steps would seldom form.
    chapter = st.one_of(
        st.tuples(step),
        st.tuples(restart, start, revoke_next_key, rotate_soon),
        st.tuples(start, revoke_next_key, rotate_soon),
        st.tuples(at_worst, beside, beside, revoke_next_key, rotate_soon),
        st.tuples(hand_over, revoke, revoke),
    )
    steps = chain.from_iterable(draw(st.lists(chapter, max_size=6)))
    steps = [draw(restart), *steps, draw(start), Wait(365 * DAY)]
    return Schedule(algorithms, clocks_off, steps)
