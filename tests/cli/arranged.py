"""Data directories after `issuer init` and further commands: made once, then copied."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.cli.driver import Cli
from tests.databases import copied

ArrangeCli = Callable[[Cli], object]


class CliTemplates:
    """By the commands that made them: a command takes longer than copying.

    `new_empty` returns the command line without a data directory, on an empty database.
    """

    def __init__(self, new_empty: Callable[[], Cli]) -> None:
        self._new_empty = new_empty
        self._made: dict[ArrangeCli, Cli] = {}

    @contextmanager
    def copy(self, arrange: ArrangeCli, cli: Cli, folder: Path) -> Iterator[Cli]:
        """`cli` with a copy of what `init` and `arrange` made."""
        if arrange not in self._made:
            new = self._new_empty()
            new.done("init")
            arrange(new)
            self._made[arrange] = new
        made = self._made[arrange].environment
        shutil.copytree(made["ISSUER_DATA_DIR"], cli.environment["ISSUER_DATA_DIR"])
        with copied(made["ISSUER_DATABASE_URL"], folder) as url:
            yield cli.with_environment(ISSUER_DATABASE_URL=url)
