"""`issuer audit`."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

import typer

from issuer.audit import AuditEvent, EventFilter
from issuer.cli import output
from issuer.cli.audit_following import follow_events
from issuer.cli.audit_options import ByActor, FromAddress, OfAction, OnTarget, Since, Until
from issuer.cli.audit_verifying import make_checkpoint, verify_events
from issuer.cli.command import every, new_app
from issuer.cli.opening import reading
from issuer.cli.options import AsJson
from issuer.composition import UnitOfWork
from issuer.fields.text import escaped

app = new_app("The audit log: who did what, and what was refused.")

_PAGE = 500
_SHOWN = 50
_COLUMNS = ["at", "actor", "address", "action", "target", "audience", "jti"]
_COLUMNS += ["outcome", "count", "reason"]

Limit = Annotated[
    int, typer.Option(min=1, metavar="COUNT", help="Show at most this many of the newest.")
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
app.command("checkpoint")(make_checkpoint)
app.command("verify")(verify_events)


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
