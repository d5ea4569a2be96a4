"""The command-line interface, `issuer`.

One file per noun or command. Commands work on the database directly, through the same domain
packages as the admin API. Exit status: 0 done, 1 refused or failed, 2 wrong usage.
"""

from issuer.cli.program import main, run

__all__ = ["main", "run"]
