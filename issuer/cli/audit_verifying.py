"""`issuer audit checkpoint` and `issuer audit verify`."""

import re
from pathlib import Path
from typing import Annotated

import typer

from issuer.audit import Verification
from issuer.cli import output
from issuer.cli.opening import opened
from issuer.cli.options import AsJson
from issuer.errors import IssuerError

# As it is printed, and as it stands in the log.
_TOKEN = re.compile(r"eyJ[A-Za-z0-9_-]+\.eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")

Kept = Annotated[
    list[Path] | None,
    typer.Option(
        "--checkpoint",
        help="A file with checkpoints that were kept elsewhere, such as the server's log.",
    ),
]


def make_checkpoint(as_json: AsJson = False) -> None:
    """Sign what is on record now, and print it: whoever keeps it can tell if the end is cut off.

    If nothing is new, it is the last one.

    Examples:

      issuer audit checkpoint > checkpoint.jwt
      issuer audit verify --checkpoint checkpoint.jwt
    """
    with opened() as parts:
        parts.keys.keyring.reload()
        token = parts.audit.checkpoints.make()
    if token is None:
        raise IssuerError("There is nothing on record.")
    output.say(token, {"checkpoint": token}, as_json=as_json)


def verify_events(kept: Kept = None, as_json: AsJson = False) -> None:
    """Verify that no audit event was changed, removed, put in or moved. It changes nothing.

    The first row that is not as it was written is named, and the exit status is 1. Rows after the
    last checkpoint can be cut off at the end without a trace; the answer says how many there are.

    Examples:

      issuer audit verify
      issuer audit verify --checkpoint checkpoint.jwt --json
    """
    tokens = [token for path in kept or [] for token in _tokens(path)]
    with opened() as parts:
        parts.keys.keyring.reload()
        with output.working("Verifying audit events"):
            found = parts.audit.verify(tokens)
    if as_json:
        output.print_json(found.model_dump(mode="json"))
    if found.finding is not None:
        raise IssuerError(found.finding.what)
    if not as_json:
        output.print_text(_in_words(found))


def _tokens(path: Path) -> list[str]:
    try:
        tokens = list(dict.fromkeys(_TOKEN.findall(path.read_text("utf-8", "replace"))))
    except OSError as error:
        raise IssuerError(f"{path} cannot be read: {error.strerror}.") from None
    if not tokens:
        raise IssuerError(f"There is no checkpoint in {path}.")
    return tokens


def _in_words(found: Verification) -> str:
    words = [f"All is as it was written: {found.rows} events, chains: {found.chains}"]
    if found.since is not None:
        words.append(f"; older ones, until {found.since:%Y-%m-%d %H:%M:%S} UTC, were deleted")
    covered = f"all but {found.unanchored} new ones" if found.unanchored else "all of them"
    words.append(f". Checkpoints ({found.checkpoints}) cover {covered}.")
    return "".join(words)
