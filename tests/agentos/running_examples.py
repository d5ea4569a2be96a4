"""Runs the examples of pages in a process of their own, each in a fork of it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.journeys.running_issuer import REPOSITORY, process_environment

RUNNER = Path(__file__).with_name("examples.py")


def results_of(examples: list[dict[str, Any]], folder: Path) -> list[Any]:
    """What `examples.py` prints of each: the statuses of its requests, or a traceback."""
    file = folder / "examples.json"
    file.write_text(json.dumps(examples))
    done = subprocess.run(
        [sys.executable, RUNNER, file],
        env={
            **process_environment(),
            "PYTHONPATH": f"{REPOSITORY}:{RUNNER.parent}",
            "AGNO_TELEMETRY": "false",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith(("[", '"'))]
