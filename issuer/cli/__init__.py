"""The command-line interface, `issuer`.

`program.py` lists the commands and their modules; packages are subjects. Commands work on the
database directly, through the same domain packages as the admin API. Exit status: 0 done, 1
refused or failed, 2 wrong usage.
"""

from issuer.cli.program import main, run

__all__ = ["main", "run"]
