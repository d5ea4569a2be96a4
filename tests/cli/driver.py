"""Drivers: the command line in this process or in its own."""

import io
import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TextIO
from unittest import mock

from issuer.cli import run
from issuer.clock import Clock
from issuer.composition import Composition, compose
from issuer.settings import Settings
from tests.journeys.running_issuer import (
    OURS,
    REPOSITORY,
    end_with_the_tests,
    polls,
    process_environment,
)

SECONDS_TO_ANSWER = 120
SECONDS_TO_STOP = 60


class Terminal(io.StringIO):
    """A terminal with an answer."""

    def isatty(self) -> bool:
        return True


@dataclass(frozen=True)
class Result:
    """Exit status and output of a command."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def items(self) -> list[dict[str, Any]]:
        return self.json["items"]

    @property
    def warnings(self) -> list[str]:
        """The warnings on standard error."""
        lines = self.err.splitlines()
        return [line for line in lines if line.startswith("Warning: ")]

    @property
    def errors(self) -> list[str]:
        """Other lines on standard error."""
        return [line for line in self.err.splitlines() if line not in self.warnings]

    @property
    def succeeded(self) -> Self:
        """This result; asserts that it is a success without errors on standard error."""
        assert (self.status, self.errors) == (0, []), f"{self.out}\n{self.err}"
        return self

    @property
    def sentence(self) -> str:
        """The sentence of a refusal; asserts that there is no other output."""
        assert (self.status, self.out) == (1, ""), f"{self.out}\n{self.err}"
        assert self.err.endswith((".\n", "?\n"))
        assert self.err.count("\n") == 1
        return self.err.rstrip("\n")

    @property
    def wrong_usage(self) -> str:
        """The line that says what is wrong; asserts that there is no other output."""
        assert (self.status, self.out) == (2, ""), f"{self.out}\n{self.err}"
        assert self.err.count("\n") == 1
        return self.err.rstrip("\n")

    @property
    def error(self) -> str:
        """The error of a command with `--json`."""
        assert (self.status, self.out) == (1, "")
        members: dict[str, str] = json.loads(self.err)
        assert members.keys() == {"error"}
        return members["error"]


class Cli:
    """`issuer …` under one environment, in this process since starting one takes a second."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self.environment = dict(environment)

    def __call__(self, *arguments: str, stdin: str | TextIO = "") -> Result:
        out, err = io.StringIO(), io.StringIO()
        with self._surroundings(stdin), redirect_stdout(out), redirect_stderr(err):
            status = run(arguments)
        return Result(status, out.getvalue(), err.getvalue())

    def on_terminal(self, columns: int, *arguments: str) -> list[str]:
        """The lines on a terminal of so many columns."""
        screen = io.StringIO()
        screen.isatty = lambda: True  # type: ignore[method-assign]
        cli = self.with_environment(COLUMNS=str(columns), LINES="50", TERM="dumb")
        with cli._surroundings(""), redirect_stdout(screen), redirect_stderr(io.StringIO()):
            run(arguments)
        return [line.rstrip() for line in screen.getvalue().splitlines()]

    def json(self, *arguments: str, stdin: str = "") -> Any:
        """The JSON of a command that succeeds without errors on standard error."""
        result = self(*arguments, "--json", stdin=stdin)
        return result.succeeded.json

    def done(self, *arguments: str, stdin: str = "") -> str:
        """The text of a command that succeeds without errors on standard error."""
        result = self(*arguments, stdin=stdin)
        return result.succeeded.out

    def with_environment(self, **more: str | None) -> "Cli":
        """The same under other settings; None unsets one."""
        changed = {**self.environment, **more}
        return Cli({name: value for name, value in changed.items() if value is not None})

    @contextmanager
    def composition(self, clock: Clock | None = None) -> Iterator[Composition]:
        """The composition of the deployment, for what no command shows."""
        composition = compose(Settings.from_environment(self.environment), clock)
        try:
            yield composition
        finally:
            composition.database.dispose()

    @contextmanager
    def _surroundings(self, stdin: str | TextIO) -> Iterator[None]:
        standard_input = io.StringIO(stdin) if isinstance(stdin, str) else stdin
        root = logging.getLogger()
        handlers, level = root.handlers, root.level
        ending = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        with (
            mock.patch.dict(os.environ, {**process_environment(), **self.environment}, clear=True),
            mock.patch.object(sys, "stdin", standard_input),
        ):
            yield
        root.handlers, root.level = handlers, level
        for number, handler in ending.items():
            signal.signal(number, handler)


class Program:
    """`issuer …`, or another command, in its own process. Its standard streams are files."""

    def __init__(
        self,
        folder: Path,
        environment: Mapping[str, str],
        arguments: Sequence[str],
        command: Sequence[str] = OURS,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._files = [folder / "stdout", folder / "stderr"]
        with self._files[0].open("wb") as out, self._files[1].open("wb") as err:
            self._process = subprocess.Popen(
                [*command, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                cwd=folder,
                env={**process_environment(), "PYTHONPATH": str(REPOSITORY), **environment},
                preexec_fn=_as_from_a_shell,  # noqa: PLW1509 - two system calls, no lock
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def out(self) -> str:
        return self._files[0].read_text()

    @property
    def err(self) -> str:
        return self._files[1].read_text()

    def output_with(self, words: str) -> str:
        """Its standard output, once `words` are in it."""
        for _ in polls(SECONDS_TO_ANSWER):
            if words in self.out:
                return self.out
            if self._process.poll() is not None:
                break
        raise AssertionError(f"It never printed {words!r}:\n{self.out}\n{self.err}")

    def listening(self) -> dict[str, Any]:
        """The JSON line that a server prints when it listens."""
        line, _, _ = self.output_with("\n").partition("\n")
        return json.loads(line)

    def ended(self) -> Result:
        """Its result, once it has ended."""
        status = self._process.wait(SECONDS_TO_STOP)
        return Result(status, self.out, self.err)

    def stopped(self, by: signal.Signals) -> Result:
        """Its result after a signal."""
        self._process.send_signal(by)
        return self.ended()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


def _as_from_a_shell() -> None:
    end_with_the_tests()
    os.umask(0o022)


@contextmanager
def running(
    folder: Path, environment: Mapping[str, str], *arguments: str, command: Sequence[str] = OURS
) -> Iterator[Program]:
    """A program that is killed at the end of the block if it still runs then."""
    program = Program(folder, environment, arguments, command)
    try:
        yield program
    finally:
        program.kill()
