"""`issuer audit checkpoint` and `issuer audit verify`."""

import re
from pathlib import Path
from typing import Annotated

import typer

from issuer.audit import Verification
from issuer.cli import output
from issuer.cli.input_files import content_of
from issuer.cli.opening import auditing
from issuer.cli.options import AsJson
from issuer.errors import IssuerError

# A JWT, as it is printed and logged.
_TOKEN = re.compile(r"eyJ[A-Za-z0-9_-]+\.eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")

CheckpointFiles = Annotated[
    list[Path] | None,
    typer.Option(
        "--checkpoint",
        metavar="FILE",
        help="A file with stored checkpoints, such as lines of the server's log. Repeatable.",
    ),
]


def make_checkpoint(as_json: AsJson = False) -> None:
    """Print a signed checkpoint of the audit log.

    Store it elsewhere: verify can then tell whether later the end of the log was cut off. If
    nothing is new, the last checkpoint is printed.

    Examples:

      issuer audit checkpoint > checkpoint.jwt
      issuer audit verify --checkpoint checkpoint.jwt
    """
    with auditing() as audit:
        token = audit.checkpoints.make()
    if token is None:
        raise IssuerError("The audit log is empty.")
    output.say(token, {"checkpoint": token}, as_json=as_json)


def verify_events(checkpoints: CheckpointFiles = None, as_json: AsJson = False) -> None:
    """Verify that no audit event was changed, deleted, inserted or moved. Changes nothing.

    If one was, the first such row is named and the exit status is 1. Rows after the last
    checkpoint can be cut off at the end undetected; the result says how many there are.

    Examples:

      issuer audit verify
      issuer audit verify --checkpoint checkpoint.jwt --json
    """
    tokens = [token for path in checkpoints or [] for token in _tokens(path)]
    with auditing() as audit, output.working("Verifying audit events"):
        result = audit.verify(tokens)
    if as_json:
        output.print_json(result.model_dump(mode="json"))
    if result.finding is not None:
        raise IssuerError(result.finding.what)
    if not as_json:
        output.print_text(_in_words(result))


def _tokens(path: Path) -> list[str]:
    tokens = list(dict.fromkeys(_TOKEN.findall(content_of(path).decode("utf-8", "replace"))))
    if not tokens:
        raise IssuerError(f"There is no checkpoint in {path}.")
    return tokens


def _in_words(result: Verification) -> str:
    words = [f"The audit log is intact. Events: {result.rows}. Chains: {result.chains}."]
    if result.since is not None:
        words.append(f"Events before {result.since:%Y-%m-%d %H:%M:%S} UTC were deleted.")
    words.append(f"Checkpoints: {result.checkpoints}.")
    words.append(f"Events that no checkpoint covers yet: {result.unanchored}.")
    return " ".join(words)
