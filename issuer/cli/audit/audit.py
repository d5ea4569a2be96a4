"""`issuer audit`."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from issuer.audit import AuditEvent, EventFilter
from issuer.audit.verification import Verification
from issuer.cli import output
from issuer.cli.audit.following import (
    ByActor,
    FromAddress,
    OfAction,
    OnTarget,
    Since,
    Until,
    follow_events,
)
from issuer.cli.command import content_of, every, new_app
from issuer.cli.opening import auditing, reading
from issuer.cli.options import AsJson
from issuer.composition import UnitOfWork
from issuer.errors import IssuerError
from issuer.fields.text import escaped

app = new_app("The audit log: who did what, and what was refused.")

_PAGE = 500
_SHOWN = 50
_COLUMNS = ["at", "actor", "address", "action", "target", "audience", "jti"]
_COLUMNS += ["outcome", "count", "reason"]

Limit = Annotated[
    int, typer.Option(min=1, metavar="COUNT", help="Show at most this many of the newest.")
]
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


@app.command("list")
def list_events(
    actor: ByActor = None,
    action: OfAction = None,
    target: OnTarget = None,
    address: FromAddress = None,
    since: Since = None,
    until: Until = None,
    limit: Limit = _SHOWN,
    as_json: AsJson = False,
) -> None:
    """List the events that match all options, newest first.

    Examples:

      issuer audit list
      issuer audit list --target ci-bot --since 1h
      issuer audit list --since 2026-11-01 --until 2026-11-02 --limit 200
      issuer audit list --action client.created --json
    """
    event_filter = EventFilter(
        actor=actor, action=action, target=target, address=address, since=since, until=until
    )
    with reading() as work:
        events = every(
            lambda last, size: work.audit_log.page(event_filter, last and str(last), size),
            "id",
            limit,
        )
    if as_json:
        output.show_all(events, [], as_json=True)
    else:
        output.show_all(map(_row, events), _COLUMNS, as_json=False)


@app.command("export")
def export_events(
    actor: ByActor = None,
    action: OfAction = None,
    target: OnTarget = None,
    address: FromAddress = None,
    since: Since = None,
    until: Until = None,
    form: Annotated[
        Literal["jsonl"],
        typer.Option("--format", metavar="FORMAT", help="JSON lines, the only format."),
    ] = "jsonl",
    as_json: Annotated[bool, typer.Option("--json", help="JSON lines, the default.")] = False,
) -> None:
    """Print the events that match all options as JSON lines, newest first.

    Examples:

      issuer audit export > audit.jsonl
      issuer audit export --since 2026-11-01 --until 2026-12-01
    """
    event_filter = EventFilter(
        actor=actor, action=action, target=target, address=address, since=since, until=until
    )
    with reading() as work:
        for event in _all(work, event_filter):
            print(escaped(event.model_dump_json()))


app.command("follow")(follow_events)


def _all(work: UnitOfWork, event_filter: EventFilter) -> Iterator[AuditEvent]:
    """Page by page, since there may be millions."""
    before = None
    while page := work.audit_log.page(event_filter, before, _PAGE):
        yield from page
        before = str(page[-1].id)


def _row(event: AuditEvent) -> dict[str, Any]:
    details = event.details
    return {
        **event.model_dump(mode="json"),
        "at": f"{event.at:%Y-%m-%d %H:%M:%S}",
        "audience": details.get("audience"),
        "jti": details.get("jti"),
    }


@app.command("checkpoint")
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


@app.command("verify")
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
