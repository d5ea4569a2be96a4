"""`issuer audit`."""

import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from issuer.audit import AuditEvent, EventFilter
from issuer.audit.sentences import in_words, principals_of
from issuer.audit.verification import Verification
from issuer.cli import output
from issuer.cli.audit.following import FILTER, FOLLOWED, JSON_LINES, follow_events
from issuer.cli.command import content_of, new_app, option, wants_json
from issuer.cli.opening import auditing, reading
from issuer.cli.options import instant
from issuer.composition import UnitOfWork
from issuer.database.store import every
from issuer.errors import IssuerError, NotFound
from issuer.fields.text import escape

app = new_app("The audit log: who did what, and what was refused.")

_PAGE = 500
_SHOWN = 50
_KINDS = ("user", "group")

_BETWEEN = {
    **FILTER,
    "until": Annotated[
        datetime | None, option("TIME", "Before this time, in the same formats.", parser=instant)
    ],
}
_LIMIT = Annotated[int, option("COUNT", "Show at most this many of the newest.", min=1)]
_FORMAT = Annotated[Literal["jsonl"], option("FORMAT", "JSON lines, the only format.", "--format")]
# A JWT, as it is printed and logged.
_TOKEN = re.compile(r"eyJ[A-Za-z0-9_-]+\.eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")


@app.command("list", parameters={**_BETWEEN, "limit": _LIMIT})
def list_events(limit: int = _SHOWN, **wanted: Any) -> None:
    """List the events that match all options, newest first, one a line.

    A line that does not fit the terminal is cut. In a pipe, and with --json, nothing is left out.

    Examples:

      issuer audit list
      issuer audit list --target ci-bot --since 1h
      issuer audit list --outcome refused
      issuer audit list --since 2026-11-01 --until 2026-11-02 --limit 200
      issuer audit list --action client.created --json
    """
    event_filter = EventFilter(**wanted)
    with reading() as work:
        _require_known(work, event_filter.actor)
        events = every(
            lambda last, size: work.audit_log.page(event_filter, last and str(last), size),
            "id",
            limit,
        )
        ids = {each for event in events for each in principals_of(event)}
        names = work.audit_log.names(ids, _KINDS)
    output.show_lines(events, lambda event: _line(event, names))


@app.command("export", parameters={**_BETWEEN, "form": _FORMAT, **JSON_LINES})
def export_events(form: str = "jsonl", **wanted: Any) -> None:
    """Print the events that match all options as JSON lines, newest first.

    Examples:

      issuer audit export > audit.jsonl
      issuer audit export --since 2026-11-01 --until 2026-12-01
    """
    event_filter, before = EventFilter(**wanted), None
    with reading() as work:
        _require_known(work, event_filter.actor)
        while events := work.audit_log.page(event_filter, before, _PAGE):  # there may be millions
            for event in events:
                print(escape(event.model_dump_json()))
            before = str(events[-1].id)


def _require_known(work: UnitOfWork, actor: str | None) -> None:
    """`NotFound` for an actor that is no client or user, and of whom there is no event."""
    if actor is None or work.audit_log.page(EventFilter(actor=actor), None, 1):
        return
    if not work.clients.exists(actor):
        try:
            work.users.find(actor)
        except NotFound:
            raise NotFound("client or user", actor) from None


app.command("follow", parameters=FOLLOWED)(follow_events)


def _line(event: AuditEvent, names: Mapping[str, str]) -> tuple[str, ...]:
    """What happened, and what may follow on the line."""
    subject_token = event.details.get("subject_token") if event.actors else None
    more = {
        "from": event.address,
        "jti": event.details.get("jti"),
        "exchanged": subject_token,
    }
    what = f"{event.at:%Y-%m-%d %H:%M:%SZ}  {event.outcome:7}  {in_words(event, names)}"
    return what, *(f"{name} {value}" for name, value in more.items() if value)


@app.command("checkpoint")
def make_checkpoint() -> None:
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
    output.say(token, {"checkpoint": token})


@app.command("verify")
def verify_events(
    checkpoints: list[Path] | None = option(
        "FILE",
        "A file with stored checkpoints, such as lines of the server's log. Repeatable.",
        "--checkpoint",
    ),
) -> None:
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
    if result.finding is None or wants_json.get():
        output.say(_in_words(result), result.model_dump(mode="json"))
    if result.finding is not None:
        raise IssuerError(result.finding.what)


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
