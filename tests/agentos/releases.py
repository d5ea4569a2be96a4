"""The agno releases the tests run against, each with an interpreter of its own."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]


@dataclass(frozen=True)
class AgnoRelease:
    """One release of agno: its version, where `make test` puts it, and what overrides that."""

    version: str
    default_python: Path
    environment_variable: str

    def __str__(self) -> str:
        return f"agno-{self.version}"

    @property
    def minor(self) -> str:
        return self.version.rpartition(".")[0]

    @property
    def python(self) -> Path:
        """The interpreter that holds this release. A missing one fails the test, never skips it."""
        python = Path(os.environ.get(self.environment_variable) or self.default_python)
        if not python.is_file():
            raise FileNotFoundError(
                f"There is no interpreter with agno {self.version} at {python}: run `make test`, "
                f"or set {self.environment_variable}."
            )
        return python


def in_its_own_venv(version: str) -> AgnoRelease:
    """A release that the Makefile installs."""
    minor = version.rpartition(".")[0]
    python = REPOSITORY / f".venv-agno-{minor}" / "bin" / "python"
    return AgnoRelease(version, python, f"AGNO_{minor.replace('.', '')}_PYTHON")


AGNO_2_7 = in_its_own_venv("2.7.2")  # the oldest we support, not the newest of its minor version
AGNO_2_8 = in_its_own_venv("2.8.7")
AGNO_2_9 = in_its_own_venv("2.9.0")
AGNO_3_0 = in_its_own_venv("3.0.11")
AGNO_3_1 = AgnoRelease("3.1.10", Path(sys.executable), "AGNO_31_PYTHON")

EACH_MINOR = (AGNO_2_7, AGNO_2_8, AGNO_2_9, AGNO_3_0, AGNO_3_1)
"""One release of every supported minor version, for tests that start no server."""
SERVER_RELEASES = (pytest.param(AGNO_2_9, marks=pytest.mark.slow), AGNO_3_1)
"""Releases that tests start as servers, which takes seconds each time."""
