"""A process that applies a manifest and kills itself meanwhile: `… MANIFEST MOMENT`.

`MOMENT` is the number of a write to the database, or `before_commit` or `after_commit`.
"""

import os
import signal
import sys
from itertools import count
from pathlib import Path

from sqlalchemy import event
from sqlalchemy.orm import Session

from issuer.audit import Actor
from issuer.composition import compose
from issuer.manifest import apply, plan, read
from issuer.settings import Settings


def main(file: Path, moment: str) -> None:
    services = compose(Settings.from_environment(os.environ))
    with services.administration.changing(Actor("test:killed")) as work:
        planned = plan(work, read(file.read_bytes(), work=work))
        die_at(moment)
        apply(work, planned)


def die_at(moment: str) -> None:
    if moment.isdigit():
        writes = count(1)
        event.listen(Session, "after_flush", lambda *_: next(writes) == int(moment) and die())
    else:
        event.listen(Session, moment, lambda *_: die())


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
