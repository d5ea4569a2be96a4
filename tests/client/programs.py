"""Programs that run in a process of their own."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.agentos.releases import AgnoRelease
from tests.agentos.running import AgentOSServer, running_agent_os
from tests.journeys.running_issuer import REPOSITORY, process_environment

_ENVIRONMENT = {"PYTHONPATH": str(REPOSITORY), "AGNO_TELEMETRY": "false"}


def output_of(release: AgnoRelease, module: str, *arguments: str, cwd: Path) -> Any:
    """What the module of `tests.client` prints last, as JSON, in the environment of agno."""
    done = subprocess.run(
        [release.python, "-m", f"tests.client.{module}", *arguments],
        cwd=cwd,
        env={**process_environment(), **_ENVIRONMENT},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@contextmanager
def second_agent_os(
    release: AgnoRelease, folder: Path, issuer: str, audience: str = "os-2"
) -> Iterator[AgentOSServer]:
    """The AgentOS of acting_apps.py that others call, in a process without them.

    agno has one lock in a process for all of its servers, and fails where two wait for it at once.
    """
    folder.mkdir()
    with running_agent_os(
        release,
        folder,
        script=Path(__file__).with_name("acting_apps.py"),
        arguments=[issuer, audience],
        environment=_ENVIRONMENT,
    ) as server:
        yield server


def succeeds(program: str) -> bool:
    """Whether the Python program exits with 0."""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**process_environment(), **_ENVIRONMENT},
        timeout=60,
        check=False,
    )
    return done.returncode == 0
