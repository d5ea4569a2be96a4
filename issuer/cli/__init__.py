"""The door for operators at a terminal: `issuer`.

One file a noun or command. It works on the database directly, through the same rooms as the
admin API; exit status 0 done, 1 refused or failed, 2 wrong usage.
"""

from issuer.cli.program import main, run

__all__ = ["main", "run"]
