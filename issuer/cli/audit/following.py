"""`issuer audit follow`."""

import json
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from issuer.audit import EventFilter
from issuer.audit.actions import ACTION_NAMES, require_action
from issuer.audit.audit_log_store import AuditLog
from issuer.audit.chain_store import Outcome
from issuer.audit.following import AuditReader, Bookmark, EventPage
from issuer.audit.ocsf import as_ocsf
from issuer.cli.command import content_of, flag, option
from issuer.cli.opening import read_settings
from issuer.cli.options import instant
from issuer.composition import composed
from issuer.database import Database
from issuer.errors import IssuerError, Unavailable
from issuer.files import write_private
from issuer.server.processes import end_quietly_on_signals


def _action(text: str) -> str:
    try:
        return require_action(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


FILTER = {
    "actor": Annotated[str | None, option("TEXT", "Who did it, by id or name, such as cli:alice.")],
    "action": Annotated[
        str | None,
        option(
            "ACTION",
            "What was done, such as client.created.",
            complete=lambda incomplete: [
                each for each in ACTION_NAMES if each.startswith(incomplete)
            ],
            parser=_action,
        ),
    ],
    "target": Annotated[str | None, option("TEXT", "What it was done to, by id or name.")],
    "address": Annotated[str | None, option("TEXT", "The address that it came from.")],
    "outcome": Annotated[Outcome | None, option("OUTCOME", "Whether it was done or refused.")],
    "since": Annotated[
        datetime | None,
        option("TIME", "From this time on: 2026-11-01 (UTC), or 1h (ago).", parser=instant),
    ],
}
JSON_LINES = {"as_json": Annotated[bool, flag("--json", "JSON lines, the default.")]}
FOLLOWED = {
    **FILTER,
    "after": Annotated[
        str | None, option("CURSOR", "Continue after the line that has this cursor.")
    ],
    "state": Annotated[
        Path | None,
        option(
            "FILE", "Continue where this file says, and keep it up to date with what was printed."
        ),
    ],
    "form": Annotated[
        Literal["json", "ocsf"],
        option("FORMAT", "json, or ocsf: the field names of OCSF.", "--format"),
    ],
    **JSON_LINES,
}
_PAGE = 500
_SECONDS_BETWEEN_LOOKS = 1


def follow_events(
    since: datetime | None = None,
    after: str | None = None,
    state: Path | None = None,
    form: str = "json",
    **who: Any,
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
    wanted = EventFilter(since=since, **who)
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

    def run(self) -> None:
        """Until the process ends. Waits while the database is unavailable."""
        self._require_known()
        self._keep(self.bookmark)
        reader, is_waiting = AuditReader(self.database), False
        while True:
            try:
                page = reader.page(self.bookmark, _PAGE)
                self._print(page)
            except Unavailable as error:
                if not is_waiting:
                    _say(f"{error} Waiting for it.")
                is_waiting = True
                reader = AuditReader(self.database)  # it may come back as another server
            else:
                if is_waiting:
                    _say("The database is available again.")
                is_waiting = False
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

    def _print(self, page: EventPage) -> None:
        actors: list[str] = []
        targets: list[str] = []
        if self.wanted.actor is not None or self.wanted.target is not None:
            with self.database.reading() as session:
                log = AuditLog(session)
                actors, targets = (
                    log.ids_of(self.wanted.actor or ""),
                    log.ids_of(self.wanted.target or ""),
                )
        for event, bookmark in page.steps(self.bookmark):
            if self.wanted.matches(event, actors, targets):
                if self.form == "json":
                    members = {**event.model_dump(mode="json"), "cursor": str(bookmark)}
                else:
                    members = as_ocsf(event)
                    members["unmapped"]["cursor"] = str(bookmark)
                print(json.dumps(members))
        sys.stdout.flush()
        self._keep(page.end(self.bookmark))

    def _keep(self, bookmark: Bookmark) -> None:
        """Only after the lines until there were flushed."""
        if self.state is not None and (bookmark != self.bookmark or not self.state.exists()):
            write_private(self.state, f"{bookmark}\n")
        self.bookmark = bookmark


def _say(sentence: str) -> None:
    typer.echo(sentence, err=True)
