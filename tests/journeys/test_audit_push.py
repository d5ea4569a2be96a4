"""Audit events reach a receiver although both sides are killed at random moments."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from random import Random
from typing import Any

import pytest
from sqlalchemy import select

from issuer.database.tables import AuditEventRow
from tests.audit.push.receivers import sent_twice_without_mark
from tests.builders import Credentials, Deployment
from tests.journeys.running_issuer import (
    REPOSITORY,
    RunningIssuer,
    end_with_the_tests,
    process_environment,
    reserved_port,
    wait_until,
)
from tests.journeys.test_surviving_sigkill import callers, operator

KILLS = 3
TOKENS_BEFORE_A_KILL = 100
SECONDS_TO_CATCH_UP = 240  # the longest pause is a minute


class RestartedReceiver:
    """The receiver as a service manager runs it: started again whenever it ends."""

    def __init__(self, port: int, file: Path) -> None:
        self._command = [sys.executable, "-m", "tests.audit.push.failing_receiver", str(port)]
        self._file = file
        self._seeds = count(1)
        self.fails = True
        self.starts = 0
        self._is_stopping = False
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        while not self._is_stopping:
            seed = next(self._seeds) if self.fails else 0
            self._process = subprocess.Popen(
                [*self._command, str(self._file), str(seed)],
                cwd=REPOSITORY,
                env=process_environment(),
                preexec_fn=end_with_the_tests,  # noqa: PLW1509 - one system call, no lock
            )
            self.starts += 1
            self._process.wait()

    def stop_failing(self) -> None:
        self.fails = False
        self._process.kill()

    def stop(self) -> None:
        self._is_stopping = True
        while self._thread.is_alive():
            self._process.kill()
            self._thread.join(0.1)

    @property
    def events(self) -> list[dict[str, Any]]:
        if not self._file.exists():
            return []
        whole, _, _ = self._file.read_text().rpartition("\n")  # it is being written
        return [json.loads(line) for line in whole.splitlines()]


@contextmanager
def receiving(folder: Path) -> Iterator[tuple[int, RestartedReceiver]]:
    with reserved_port() as port:
        receiver = RestartedReceiver(port, folder / "received")
        try:
            yield port, receiver
        finally:
            receiver.stop()


@pytest.mark.slow
def test_nothing_is_lost_and_duplicates_are_marked(tmp_path: Path, migrated_database_url: str):
    random = Random(7)
    with receiving(tmp_path) as (port, receiver):
        url = f"http://127.0.0.1:{port}/events"
        with RunningIssuer(tmp_path, migrated_database_url, audit_push_url=url) as issuer:
            client = issuer.deployment.client("caller", scopes=["agents:run"])
            tokens: list[str] = []
            made: list[Credentials] = []
            for kills in range(KILLS):
                enough = len(tokens) + random.randint(1, TOKENS_BEFORE_A_KILL)
                with operator(issuer.deployment, made), callers(issuer.url, client, tokens):
                    wait_until(
                        lambda: len(tokens) >= enough and receiver.starts > kills + 1,  # noqa: B023
                        SECONDS_TO_CATCH_UP,
                        "tokens were issued, and the receiver was killed",
                    )
                    issuer.kill()
                issuer.restart()
            receiver.stop_failing()
            wait_until(
                lambda: identities(receiver.events) >= written(issuer.deployment),
                SECONDS_TO_CATCH_UP,
                "everything has arrived",
            )
            assert identities(receiver.events) == written(issuer.deployment)
    events = receiver.events
    assert len(events) > len(identities(events)), "some were sent again"
    assert sent_twice_without_mark(events) == []


def identities(events: list[dict[str, Any]]) -> set[tuple[str, int]]:
    return {(event["chain"], event["seq"]) for event in events}


def written(deployment: Deployment) -> set[tuple[str, int]]:
    with deployment.services.database.reading() as session:
        rows = session.execute(select(AuditEventRow.chain, AuditEventRow.seq))
        return {(row.chain, row.seq) for row in rows}
