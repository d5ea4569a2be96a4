"""The services of `deploy/compose.yaml` as processes: with its commands, environment and secrets.

Only addresses and paths differ: ports are free ones of this machine, `/run/secrets` is the folder
of the secrets, and PostgreSQL is the server of the tests.
"""

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from tests.journeys.running_issuer import (
    OURS,
    REPOSITORY,
    SECONDS_TO_STOP,
    end_with_the_tests,
    polls,
    process_environment,
)

DEPLOY = REPOSITORY / "deploy"
COMPOSE = DEPLOY / "compose.yaml"
VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}")
SECONDS_TO_START = 120


class Composed:
    """The services of the file with `variables`, as if they stood in `.env`."""

    def __init__(self, folder: Path, variables: dict[str, str], replaced: dict[str, str]) -> None:
        text = VARIABLE.sub(
            lambda found: variables.get(found[1], found[2] or ""), COMPOSE.read_text()
        )
        self.file = yaml.safe_load(text)
        self.folder = folder
        self._replaced = replaced

    def service(self, name: str) -> dict[str, Any]:
        return self.file["services"][name]

    def secret_files(self, service: str) -> dict[str, Path]:
        """The files that a service sees, by their paths in its container."""
        files = {}
        for each in self.service(service).get("secrets", []):
            named = each if isinstance(each, dict) else {"source": each, "target": each}
            source = self.folder / self.file["secrets"][named["source"]]["file"]
            files[f"/run/secrets/{named['target']}"] = source
        return files

    def environment(self, service: str) -> dict[str, str]:
        files = self.secret_files(service)
        written = self.service(service).get("environment", {})
        inside = {name: str(files.get(value, self.here(value))) for name, value in written.items()}
        assert not [value for value in inside.values() if value.startswith("/run/secrets/")]
        # As in the image, with a folder that cannot be created.
        data = {"ISSUER_DATA_DIR": "/proc/nowhere", "PYTHONPATH": str(REPOSITORY)}
        return {**process_environment(), **data, **inside}

    def issuer(self, service: str, *more: str, command: list[str] | None = None) -> str:
        """Output of an `issuer` command, by default that of the service."""
        command = self.service(service)["command"] if command is None else command
        return self.output([*OURS, *command, *more], self.environment(service))

    def output(self, command: list[str], environment: dict[str, str] | None = None) -> str:
        return output(command, environment or process_environment(), self.folder)

    def here(self, text: str) -> str:
        """The text with the addresses of this machine."""
        for inside, outside in self._replaced.items():
            text = text.replace(inside, outside)
        return text

    def is_healthy(self, service: str, *more: str) -> bool:
        """Whether the health check of the service succeeds."""
        kind, *command = self.service(service)["healthcheck"]["test"]
        assert kind == "CMD"
        program = OURS if command[0] == "issuer" else [command[0]]
        checked = subprocess.run(
            [*program, *command[1:], *more],
            capture_output=True,
            env=self.environment(service),
            check=False,
        )
        return checked.returncode == 0

    def wait_until_healthy(self, service: str, log: Path, *more: str) -> None:
        for _ in polls(SECONDS_TO_START):
            if self.is_healthy(service, *more):
                return
        raise AssertionError(f"{service} is not healthy:\n{log.read_text()}")


def output(command: list[str], environment: dict[str, str], folder: Path) -> str:
    """`AssertionError` with all output if it fails."""
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        cwd=folder,
        env=environment,
        timeout=SECONDS_TO_START,
        check=False,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@contextmanager
def running(command: list[str], environment: dict[str, str], folder: Path) -> Iterator[Path]:
    """A process, with the file of its output."""
    log = folder / f"{Path(command[0]).name}.log"
    with log.open("wb") as written:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=written,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env=environment,
            preexec_fn=end_with_the_tests,  # noqa: PLW1509 - one system call, no lock
        )
    try:
        yield log
    finally:
        process.terminate()
        try:
            process.wait(SECONDS_TO_STOP)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"{command} did not stop:\n{log.read_text()}") from None
