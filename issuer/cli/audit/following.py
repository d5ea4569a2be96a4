"""`issuer audit follow`."""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from issuer.audit import AuditEvent, EventFilter
from issuer.audit.audit_log_store import AuditLog
from issuer.audit.following import AuditReader, Bookmark, EventPage
from issuer.audit.ocsf import as_ocsf
from issuer.cli.command import content_of
from issuer.cli.opening import read_settings
from issuer.cli.options import instant
from issuer.composition import composed
from issuer.database import Database
from issuer.errors import IssuerError, Unavailable
from issuer.files import write_private
from issuer.server.processes import end_quietly_on_signals

ByActor = Annotated[str | None, typer.Option(help="Who did it, such as cli:alice.")]
OfAction = Annotated[str | None, typer.Option(help="What was done, such as client.created.")]
OnTarget = Annotated[str | None, typer.Option(help="What it was done to, by id or name.")]
FromAddress = Annotated[str | None, typer.Option(help="The address that it came from.")]
Since = Annotated[
    datetime | None,
    typer.Option(
        parser=instant,
        metavar="TIME",
        help="From this time on: 2026-11-01 (UTC), or 1h (ago).",
    ),
]
Until = Annotated[
    datetime | None,
    typer.Option(parser=instant, metavar="TIME", help="Before this time, in the same formats."),
]
_PAGE = 500
_SECONDS_BETWEEN_LOOKS = 1

Format = Annotated[
    Literal["json", "ocsf"],
    typer.Option("--format", metavar="FORMAT", help="json, or ocsf: the field names of OCSF."),
]


def follow_events(
    actor: ByActor = None,
    action: OfAction = None,
    target: OnTarget = None,
    address: FromAddress = None,
    since: Since = None,
    after: Annotated[
        str | None,
        typer.Option(metavar="CURSOR", help="Continue after the line that has this cursor."),
    ] = None,
    state: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Continue where this file says, and keep it up to date with what was printed.",
        ),
    ] = None,
    form: Format = "json",
    as_json: Annotated[bool, typer.Option("--json", help="JSON lines, the default.")] = False,
) -> None:
    """Print events as JSON lines as they come, until Ctrl-C or SIGTERM.

    It begins with the events from now on, or from --since. Each line has a cursor, after which
    --after continues; with --state this needs no care. No event is left out, also if it commits
    after later ones; after a crash, lines may be printed twice. Retention may delete events before
    they are read, which is said on standard error. While the database is unavailable, it waits.

    Examples:

      issuer audit follow
      issuer audit follow --since 1h --action token.refused
      issuer audit follow --state /var/lib/shipper/bookmark --format ocsf
    """
    end_quietly_on_signals()
    if after is not None and state is not None:
        raise typer.BadParameter("use either --after or --state")
    began = since or datetime.now(UTC)
    wanted = EventFilter(actor=actor, action=action, target=target, address=address, since=since)
    with composed(read_settings()) as parts:
        bookmark = _known(after, state)
        if bookmark is None:
            wanted = wanted.model_copy(update={"since": began})
            bookmark = AuditReader(parts.database).at(began)
        _Following(parts.database, wanted, bookmark, state, form).run()


def _known(after: str | None, state: Path | None) -> Bookmark | None:
    """Where a run before has ended; None at first."""
    if after is not None:
        return Bookmark.parse(after)
    if state is None or not state.exists():
        return None
    try:
        return Bookmark.parse(content_of(state).decode("ascii", "replace").strip())
    except IssuerError as error:
        raise IssuerError(f"{state}: {error} Delete the file to begin anew.") from None


@dataclass
class _Following:
    database: Database
    wanted: EventFilter
    bookmark: Bookmark
    state: Path | None
    form: str
    _is_waiting: bool = field(default=False, init=False)
    _reader: AuditReader = field(init=False)

    def run(self) -> None:
        """Until the process ends."""
        self._require_known()
        self._keep(self.bookmark)
        self._reader = AuditReader(self.database)
        while True:
            with self._said_once():
                page = self._reader.page(self.bookmark, _PAGE)
                self._print(page)
                if not page.is_last:
                    continue
            time.sleep(_SECONDS_BETWEEN_LOOKS)

    def _require_known(self) -> None:
        with self.database.reading() as session:
            ids = AuditLog(session).ids()
        if self.bookmark.settled >= ids.stop:
            raise IssuerError(
                "The cursor is after the newest event: it is of another database, or this one was"
                " restored from a backup. Begin again with --since."
            )
        if 0 < self.bookmark.settled < ids.start - 1:
            _say("Retention has deleted events after the cursor that were not printed.")

    @contextmanager
    def _said_once(self) -> Iterator[None]:
        """Says on standard error when the database becomes unavailable, and when it is back."""
        try:
            yield
        except Unavailable as error:
            if not self._is_waiting:
                _say(f"{error} Waiting for it.")
            self._is_waiting = True
            self._reader = AuditReader(self.database)  # it may come back as another server
        else:
            if self._is_waiting:
                _say("The database is available again.")
            self._is_waiting = False

    def _print(self, page: EventPage) -> None:
        targets = self._targets()
        for event, bookmark in page.steps(self.bookmark):
            if self.wanted.matches(event, targets):
                print(json.dumps(self._members(event, str(bookmark))))
        sys.stdout.flush()
        self._keep(page.end(self.bookmark))

    def _targets(self) -> list[str]:
        if self.wanted.target is None:
            return []
        with self.database.reading() as session:
            return AuditLog(session).targets(self.wanted.target)

    def _members(self, event: AuditEvent, cursor: str) -> dict[str, Any]:
        if self.form == "json":
            return {**event.model_dump(mode="json"), "cursor": cursor}
        members = as_ocsf(event)
        members["unmapped"]["cursor"] = cursor
        return members

    def _keep(self, bookmark: Bookmark) -> None:
        """Only after the lines until there were flushed."""
        if self.state is not None and (bookmark != self.bookmark or not self.state.exists()):
            write_private(self.state, f"{bookmark}\n")
        self.bookmark = bookmark


def _say(sentence: str) -> None:
    typer.echo(sentence, err=True)
