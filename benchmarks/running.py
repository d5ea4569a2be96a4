"""A server in a process of its own, while it is measured."""

import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

from benchmarks.load import on_core
from tests.journeys.running_issuer import end_with_the_tests, polls

SECONDS_TO_START = 60
_NOTHING_MORE: Mapping[str, str] = {}


@contextmanager
def running(
    command: Sequence[object],
    url: str,
    environment: Mapping[str, str] = _NOTHING_MORE,
    seconds_to_start: float = SECONDS_TO_START,
) -> Iterator[int]:
    """The process id of the command on the first core, once it answers at `url` with any status.

    It has our environment, with `environment` added.
    """
    with subprocess.Popen(
        on_core(0, command),
        env={
            **os.environ,
            "PYTHONPATH": str(Path(__file__).parents[1]),
            "NODE_ENV": "production",
            **environment,
        },
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=end_with_the_tests,  # noqa: PLW1509 - one system call, no lock
    ) as process:
        try:
            _wait_for(url, process, seconds_to_start)
            yield process.pid
        finally:
            process.terminate()


def _wait_for(url: str, process: subprocess.Popen[bytes], seconds: float) -> None:
    for _ in polls(seconds):
        if process.poll() is not None:
            break
        with suppress(httpx.TransportError):
            httpx.get(url, trust_env=False)
            return
    raise AssertionError(f"It does not answer: {process.args!r}")
