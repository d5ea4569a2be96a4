"""What an attack costs honest callers, and how much memory it leaves in use.

    python -m benchmarks.attacks [--quick] [--only WORDS] [--seconds 6] [--write-docs]

Each attack meets a server of its own: see `METHOD`.
"""

import argparse
import asyncio
import os
import shlex
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

from benchmarks.attacking import ATTACKS, Attack, AttackedIssuer
from benchmarks.hostile_issuers import HOSTILE_ISSUERS
from benchmarks.invented_verifiers import INVENTED_VERIFIERS
from benchmarks.load import megabytes, on_core, peak_megabytes, wrk
from benchmarks.machine import machine
from benchmarks.one_person import ONE_PERSON
from issuer.telemetry import logs
from tests.journeys.proxies.callers import one_attacker
from tests.journeys.running_issuer import OURS, RunningIssuer, polls

DOCS = Path(__file__).parents[1] / "docs" / "reference" / "under-attack.md"
LEAST_RATIO = 0.5
MAX_GROWTH = 20  # MB
SLOW = 100  # a second
SECONDS_TO_BEGIN = 1.0
SECONDS_TO_RECOVER = 10
COLUMNS = (
    "attack",
    "alone",
    "beside",
    "ratio",
    "refused",
    "before",
    "peak",
    "after",
    "answers to the attacker",
    "",
)


@dataclass(frozen=True)
class Found:
    """Tokens a second; refused or lost requests of honest callers; megabytes (RSS at the peak)."""

    attack: Attack
    alone: float
    beside: float
    refused: int
    before: float
    peak: float
    after: float
    answers: str
    holds: bool

    @property
    def ratio(self) -> float:
        return self.beside / self.alone if self.alone else 0.0

    @property
    def is_kept(self) -> bool:
        return self.holds and self.ratio >= LEAST_RATIO and self.after - self.before <= MAX_GROWTH

    @property
    def row(self) -> str:
        numbers = (
            rate(self.alone),
            rate(self.beside),
            f"{self.ratio:.2f}",
            f"{self.refused:,}",
            f"{self.before:.0f}",
            f"{self.peak:.0f}",
            f"{self.after:.0f}",
        )
        kept = "kept" if self.is_kept else "not kept"
        return f"| {' | '.join((self.attack.name, *numbers, self.answers, kept))} |"


def rate(per_second: float) -> str:
    return f"{per_second:,.0f}" if per_second >= SLOW else f"{per_second:.1f}"


class Honest:
    """Callers that send what an attack says."""

    def __init__(self, issuer: RunningIssuer, attack: Attack, folder: Path) -> None:
        self._url = issuer.url
        self._script = attack.honest(issuer)
        self._connections = attack.connections
        self._folder = folder
        self.refused = 0

    def rate(self, seconds: int) -> float:
        """Tokens a second, without refused or lost requests."""
        load = wrk(
            self._url,
            self._folder,
            script=self._script,
            seconds=seconds,
            connections=self._connections,
        )
        self.refused = load.errors
        return load.per_second * (1 - min(load.errors / max(load.requests, 1), 1))


def measured(attack: Attack, seconds: int, folder: Path) -> Found:
    program = on_core(0, OURS)
    settings = {"password_hash": "rfc9106", **attack.settings}
    with RunningIssuer(folder, program=program, **settings) as issuer:
        target = AttackedIssuer(issuer, one_attacker(issuer.deployment))
        attack.prepare(target)
        honest = Honest(issuer, attack, folder)
        honest.rate(1)
        # The admin API and its description are loaded with the first request for them.
        issuer.http.get("/openapi.json").raise_for_status()
        alone = [honest.rate(seconds)]
        before = megabytes(issuer.pid)
        # The peak is counted from here (Linux, proc(5)).
        Path(f"/proc/{issuer.pid}/clear_refs").write_text("5")
        with running(attack, target):
            time.sleep(SECONDS_TO_BEGIN)
            beside = honest.rate(seconds)
            refused = honest.refused
            said, holds = attack.check(target)
        after = recovered(issuer, before)
        peak = peak_megabytes(issuer.pid)
        alone.append(honest.rate(seconds))
    answers = ", ".join(f"{status} × {n:,}" for status, n in target.answers.most_common(3))
    said = "; ".join(each for each in (answers, said) if each)
    return Found(attack, mean(alone), beside, refused, before, peak, after, said, holds)


@contextmanager
def running(attack: Attack, target: AttackedIssuer) -> Iterator[None]:
    """The attack, in a thread on the last core, like the load of honest callers."""
    stopping = threading.Event()

    async def until_stopped() -> None:
        attacking = asyncio.ensure_future(attack.run(target))
        while not stopping.is_set() and not attacking.done():
            await asyncio.sleep(0.05)
        attacking.cancel()
        with suppress(asyncio.CancelledError):
            await attacking

    def in_thread() -> None:
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})  # of this thread
        asyncio.run(until_stopped())

    with ThreadPoolExecutor(1) as pool:
        attacking = pool.submit(in_thread)
        try:
            yield
        finally:
            stopping.set()
        attacking.result()


def recovered(issuer: RunningIssuer, before: float) -> float:
    """Memory once the server has finished pending work, after some seconds at most."""
    after = before
    for _ in polls(SECONDS_TO_RECOVER):
        time.sleep(0.5)
        after = megabytes(issuer.pid)
        if after - before <= MAX_GROWTH:
            break
    return after


def markdown(rows: list[str], command: str) -> str:
    here = [f"- {name}: {text}" for name, text in machine().items()]
    lines = ["# Under attack", "", METHOD, "", f"    {command}", "", *here, "", *rows, ""]
    return "\n".join(lines)


METHOD = f"""\
Honest callers request tokens with client credentials on 16 connections: alone, during an attack,
and alone again. "alone" and "beside" (during the attack) are tokens a second; "refused" are
requests of honest callers that were refused or lost during the attack. Memory is in MB:
proportional set size (PSS) before and after the attack, resident at its peak; the admin API, which
is loaded with its first use, was used before. "kept" means that
honest callers got at least {LEAST_RATIO:g} of their rate during the attack, and that memory grew by
at most {MAX_GROWTH} MB, and that what stands beside the answers to the attacker held. Where the row
says so, honest callers are people who sign in with passwords, on 4 connections.

Each attack runs against a new issuer with default settings: one process on the first core, SQLite.
Honest callers and the attacker share the last core. Attackers use another address than honest
callers, and have what the row says, or a client with few rights."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.attacks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two seconds each")
    parser.add_argument("--seconds", type=int, default=6, help="of each load")
    parser.add_argument("--only", metavar="WORDS", default="", help="attacks with these words")
    parser.add_argument("--write-docs", action="store_true", help=f"write {DOCS.name}")
    options = parser.parse_args()
    logs.configure("warning")
    rows = [f"| {' | '.join(COLUMNS)} |", f"|---|{'---:|' * (len(COLUMNS) - 3)}---|---|"]
    print(*rows, sep="\n", flush=True)
    for attack in (*ATTACKS, *HOSTILE_ISSUERS, ONE_PERSON, INVENTED_VERIFIERS):
        if options.only in attack.name:
            with tempfile.TemporaryDirectory() as folder:
                found = measured(attack, 2 if options.quick else options.seconds, Path(folder))
            rows.append(found.row)
            print(found.row, flush=True)
    if options.write_docs:
        command = shlex.join(["python", "-m", "benchmarks.attacks", *sys.argv[1:]])
        DOCS.write_text(markdown(rows, command))
    if any("not kept" in row for row in rows):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
