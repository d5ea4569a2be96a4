"""A command of the operator's, run after a file has changed."""

import os
import shlex
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import typer

from issuer.errors import IssuerError

_LONGEST = 60


def words_of(text: str) -> list[str]:
    """A command line as a shell would split it; there is no shell. Wrong usage if it is none."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise typer.BadParameter(f"cannot be split into words: {error}") from None
    if not words:
        raise typer.BadParameter("must name a command")
    return words


def run_after_change(command: Sequence[str], file: Path) -> None:
    """Run it, with the file in `JWKS_FILE`. An `IssuerError` unless it ends well within 60 s."""
    name = f"{file} is the new key set, but the command {command[0]}"
    try:
        status = subprocess.run(  # noqa: S603 - it is what the operator asked for
            command,
            env={**os.environ, "JWKS_FILE": str(file)},
            stdin=subprocess.DEVNULL,
            stdout=sys.stderr,  # standard output is ours
            timeout=_LONGEST,
            check=False,
        ).returncode
    except OSError as error:
        raise IssuerError(f"{name} cannot be run: {error.strerror}.") from None
    except subprocess.TimeoutExpired:
        raise IssuerError(f"{name} took over {_LONGEST} s.") from None
    if status != 0:
        raise IssuerError(f"{name} ended with status {status}.")
