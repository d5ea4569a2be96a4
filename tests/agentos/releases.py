"""The agno releases the tests run against, each in an interpreter of its own."""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

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
    def python(self) -> Path:
        """The interpreter that holds this release. A missing one fails the test, never skips it."""
        python = Path(os.environ.get(self.environment_variable) or self.default_python)
        if not python.is_file():
            raise FileNotFoundError(
                f"There is no interpreter with agno {self.version} at {python}: `make test` builds "
                f"it, or {self.environment_variable} names another one."
            )
        return python


AGNO_2_9 = AgnoRelease("2.9.0", REPOSITORY / ".venv-agno-2.9" / "bin" / "python", "AGNO_29_PYTHON")
AGNO_3_1 = AgnoRelease("3.1.10", Path(sys.executable), "AGNO_31_PYTHON")
RELEASES = (AGNO_2_9, AGNO_3_1)
