"""Runs the loads, one scenario after the other, and collects their results."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.load import Load, megabytes, wrk
from benchmarks.peers import PEERS, PeerUnavailable, RunningPeer, running_peer
from benchmarks.scenarios import Scenario, signing_in
from benchmarks.subjects import Ours, bare, ours
from benchmarks.targets import COMMANDS


@dataclass(frozen=True)
class Measured:
    """The median of the rounds, and the slowest and the fastest of them."""

    per_second: float
    slowest: float
    fastest: float
    p50: float
    p99: float
    errors: int


def result_of(loads: Sequence[Load]) -> Measured:
    rates = [load.per_second for load in loads]
    return Measured(
        median(rates),
        min(rates),
        max(rates),
        median(load.p50 for load in loads),
        median(load.p99 for load in loads),
        sum(load.errors for load in loads),
    )


def subject_of(name: str, folder: Path, starts: int) -> Any:
    """A context manager with the subject of this name, ready."""
    for peer in PEERS:
        if peer.subject == name:
            return running_peer(peer, folder / name.replace(" ", "-"), starts)
    kind, _, rest = name.partition(" ")
    if kind == "bare":
        return bare(rest)
    kind, _, processes = name.partition(", ")
    return ours(kind, folder / name.replace(", ", "-"), 2 if processes else 1)


class Bench:
    """The subjects of some scenarios, running while the block lasts.

    `left_out` says of other servers that do not run here why not.
    """

    def __init__(self, chosen: Sequence[Scenario], folder: Path, rounds: int) -> None:
        self._chosen = chosen
        self._folder = folder
        self._rounds = rounds
        self._held = ExitStack()
        self._subjects: dict[str, Any] = {}
        self.numbers: dict[str, float] = {}
        self.left_out: dict[str, str] = {}

    def __enter__(self) -> "Bench":
        with ExitStack() as held:
            for name in dict.fromkeys(scenario.subject for scenario in self._chosen):
                try:
                    subject = held.enter_context(subject_of(name, self._folder, self._rounds))
                except PeerUnavailable as error:
                    self.left_out[name] = str(error)
                    continue
                self._subjects[name] = subject
                self._note_memory("idle", name)
                if isinstance(subject, RunningPeer):
                    self.numbers[f"start, {name}: s"] = median(subject.starts)
            self._held = held.pop_all()
        self._chosen = [each for each in self._chosen if each.subject in self._subjects]
        return self

    def __exit__(self, *_: object) -> None:
        self._held.close()

    def measure(self, seconds: int) -> dict[str, Measured]:
        """By scenario. An uncounted first round warms up."""
        loads: dict[str, list[Load]] = {}
        for number in range(self._rounds + 1):
            for scenario in self._chosen:
                warming_up = self._subjects[scenario.subject].seconds_to_warm_up
                found = self._load(scenario, seconds if number else warming_up)
                for name, load in found.items() if number else ():
                    loads.setdefault(name, []).append(load)
        for name in self._subjects:
            self._note_memory("loaded", name)
        return {name: result_of(each) for name, each in loads.items()}

    def start_again(self) -> None:
        """Note how long a start and each of `COMMANDS` take, for each of ours of one process."""
        for name, subject in self._subjects.items():
            if name in {"sqlite", "postgresql"}:
                taken = [subject.seconds_to_first_token() for _ in range(self._rounds)]
                self.numbers[f"start, {name}: s"] = median(taken)
                for command in COMMANDS:
                    taken = [subject.seconds_of(command) for _ in range(self._rounds)]
                    self.numbers[f"issuer {command}, {name}: s"] = median(taken)

    def _note_memory(self, when: str, name: str) -> None:
        if not isinstance(subject := self._subjects[name], Ours | RunningPeer):
            return
        pid = subject.pid
        self.numbers[f"memory {when}, {name}: MB"] = megabytes(pid)
        self.numbers[f"resident {when}, {name}: MB"] = megabytes(pid, "Rss")

    def _load(self, scenario: Scenario, seconds: int) -> dict[str, Load]:
        """By name: that of the scenario, and of the one that runs at the same time."""
        found = {}
        with ThreadPoolExecutor(1) as pool:
            if other := scenario.beside:
                beside = pool.submit(self._wrk, other, seconds + 1)
            found[scenario.name] = self._wrk(scenario, seconds)
            if other:
                found[other.name] = beside.result()
        if signing_in in {scenario.script, other and other.script}:
            # Else the rest of this load would slow down the next one.
            self._subjects[scenario.subject].sign_in()
        return found

    def _wrk(self, scenario: Scenario, seconds: int) -> Load:
        subject = self._subjects[scenario.subject]
        folder = self._folder / scenario.name
        folder.mkdir(exist_ok=True)
        return wrk(
            subject.url,
            folder,
            script=scenario.script(subject),
            seconds=seconds,
            connections=scenario.connections,
        )
