"""`/console/audit`: who did what, and what was refused; newest first."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlencode

from starlette.responses import Response

from issuer.audit import AuditEvent, EventFilter
from issuer.audit.actions import ACTION_NAMES, require_action
from issuer.audit.audit_log_store import AuditLog, is_event_id
from issuer.audit.chain_store import Outcome
from issuer.composition import UnitOfWork
from issuer.errors import NotFound
from issuer.fields.spreadsheet import as_csv
from issuer.fields.text import escape, readable_json
from issuer.fields.times import duration
from issuer.groups import GROUP
from issuer.operations import commands
from issuer.web.console.screens.events import READ, EventInWords, in_words
from issuer.web.console.screens.operator import Operator, readable
from issuer.web.console.screens.screen import ConsoleScreen
from issuer.web.console.screens.views import PAGE, Listing, Typed
from issuer.web.words import page_of

_LIST = "/console/audit"
_NEIGHBOURS = 3  # on each side
_EXPORTED, _AT_ONCE = 10_000, 1_000
_TEXTS = ("actor", "target", "address")
_TIMES = ("since", "until")
NAMES = ("outcome", "action", *_TEXTS, *_TIMES)
_MAX_CHARACTERS = 255
# Neither has an index. So many events are looked at for one page; the next page looks further back.
_UNINDEXED = {"action", "address"}
_LOOKED_AT = 100_000
# Links that set one filter, and keep or take away the others.
_SHORTCUTS: tuple[tuple[str, Mapping[str, str]], ...] = (
    ("Refused only", {"outcome": Outcome.REFUSED}),
    ("Last hour", {"since": "1h"}),
    ("Last 24 hours", {"since": "24h"}),
    ("Last 7 days", {"since": "7d"}),
)
_COLUMNS = (
    *("id", "at", "outcome", "event", "action", "actor", "target", "reason", "count"),
    *("address", "request_id", "details"),
)


@dataclass(frozen=True)
class AuditFilters:
    """`values` as they were given, `errors` by the name of the filter."""

    values: Typed
    wanted: EventFilter
    errors: Typed

    @classmethod
    def read(cls, query: Mapping[str, str], now: datetime) -> "AuditFilters":
        """A time may be a duration before `now`."""
        values = {name: query[name].strip()[:_MAX_CHARACTERS] for name in NAMES if name in query}
        given = {name: value for name, value in values.items() if value}
        wanted: dict[str, object] = {name: given[name] for name in _TEXTS if name in given}
        errors = {}
        checks: dict[str, Callable[[str], object]] = {
            "outcome": _outcome,
            "action": require_action,
            **dict.fromkeys(_TIMES, lambda text: _instant(text, now)),
        }
        for name, check in checks.items():
            try:
                wanted |= {name: check(given[name])} if name in given else {}
            except ValueError as error:
                errors[name] = str(error)
        return cls(Typed(values), EventFilter.model_validate(wanted), Typed(errors))

    def query(self, **more: str) -> str:
        """The filters, and more, as the query of a URL."""
        given = {**self.values, **more}
        return urlencode({name: value for name, value in given.items() if value})

    @property
    def api_query(self) -> dict[str, str]:
        """The filters as a query of the admin API, where times are instants."""
        wanted = self.wanted.model_dump(mode="json", exclude_none=True)
        return {name: wanted[name] for name in NAMES if name in wanted}

    @property
    def options(self) -> tuple[str, ...]:
        """The filters as options of the command line."""
        given = [(name, value) for name, value in self.values.items() if value]
        return tuple(text for name, value in given for text in (f"--{name}", value))

    def shortcuts(self) -> Iterator[tuple[str, str, bool]]:
        """Links to these filters with one more, or without it where it `is_set`."""
        for label, filters in _SHORTCUTS:
            is_set = all(self.values[name] == value for name, value in filters.items())
            yield label, self.query(**dict.fromkeys(filters, "") if is_set else filters), is_set

    def page(
        self, log: AuditLog, before: str | None, limit: int
    ) -> tuple[list[AuditEvent], str | None]:
        """At most `limit` events before that id, and where the next page begins, if there is one.

        A page that looked at many events may have fewer, or none.
        """
        ids, since_id = log.ids(), 0
        if _UNINDEXED & self.wanted.model_dump(exclude_none=True).keys():
            newest = min(int(before), ids.stop) if before else ids.stop
            since_id = newest - _LOOKED_AT
        events = log.page(self.wanted, before, limit + 1, since_id)
        if len(events) > limit:
            return events[:limit], str(events[limit - 1].id)
        return events, str(since_id) if since_id > ids.start else None


def _outcome(text: str) -> Outcome:
    try:
        return Outcome(text)
    except ValueError:
        raise ValueError(f"Choose {' or '.join(Outcome)}.") from None


def _instant(text: str, now: datetime) -> datetime:
    """In UTC, unless it says otherwise, or a duration ago; `ValueError`."""
    try:
        return now - duration(text)
    except ValueError:
        pass
    try:
        at = datetime.fromisoformat(text)
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise ValueError(
            "Write a time like 2026-11-01 or 2026-11-01 12:30, in UTC, or 24h."
        ) from None


class AuditScreen(ConsoleScreen):
    PATH = _LIST
    LABEL = "Audit log"
    READ = READ

    def show(self) -> Response:
        filters = AuditFilters.read(self.visit.query, self.parts.clock())
        before = self.visit.query.get("before", "")
        before = before if is_event_id(before) else ""
        events: list[EventInWords] = []
        following = None
        if not filters.errors:
            with self.operator.work(READ) as work:
                found, following = filters.page(work.audit_log, before or None, PAGE)
                events = in_words(self.operator, work, found)
        url = f"{self.site.base}{_LIST}?{filters.query()}"
        return self.answer(
            "audit",
            "Audit log",
            commands=(
                commands.audit_events(filters.options, filters.api_query),
                commands.VERIFY_AUDIT,
            ),
            listing=Listing(
                tuple(events),
                "",
                next_url=f"{url}&before={following}".replace("?&", "?") if following else "",
                first_url=url.rstrip("?") if before else "",
            ),
            filters=filters.query(),
            shortcuts=tuple(filters.shortcuts()),
            values=filters.values,
            errors=filters.errors,
            actions=ACTION_NAMES,
            outcomes=tuple(Outcome),
            coverage=self.parts.checkpoints.coverage(),
            most=_EXPORTED,
        )


class AuditExportScreen(ConsoleScreen):
    """The events that match the filters, as a file of JSON lines, or of CSV with `format=csv`."""

    PATH = f"{_LIST}/export"
    READ = READ

    def show(self) -> Response:
        filters = AuditFilters.read(self.visit.query, self.parts.clock())
        if filters.errors:
            return self.site.to(_LIST, **filters.values)
        with self.operator.work(READ) as work:
            if self.visit.query.get("format") == "csv":
                rows = (row for some in _parts(work, filters) for row in self._rows(work, some))
                return self.download(as_csv(rows, _COLUMNS), "text/csv", "audit.csv")
            events = (each for some in _parts(work, filters) for each in some)
            lines = "".join(f"{escape(each.model_dump_json())}\n" for each in events)
        return self.download(lines, "application/x-ndjson", "audit.jsonl")

    def _rows(self, work: UnitOfWork, events: list[AuditEvent]) -> Iterator[dict[str, object]]:
        for each in in_words(self.operator, work, events):
            yield {**each.event.model_dump(mode="json"), "event": each.text}


class AuditEventScreen(ConsoleScreen):
    """An event with its `neighbours` in its chain, and a link to the page it is `about`, if any."""

    PATH = f"{_LIST}/{{id}}"
    READ = READ

    def show(self) -> Response:
        asked = self.visit.request.path_params["id"]
        if not is_event_id(asked):
            raise NotFound("audit event", asked)
        with self.operator.work(READ) as work:
            event = work.audit_log.get(int(asked))
            around = work.audit_log.around(event, _NEIGHBOURS)
            this, *neighbours = in_words(self.operator, work, [event, *around])
        return self.answer(
            "audit_event",
            f"Event {event.id}",
            commands=(commands.VERIFY_AUDIT,),
            event=event,
            text=this.text,
            about=_page_of(self.operator, event.target or ""),
            details=readable_json(event.details) if event.details else "",
            neighbours=neighbours,
            coverage=self.parts.checkpoints.coverage(),
        )


def _page_of(operator: Operator, target: str) -> str:
    for kind in readable(operator, GROUP):
        with operator.work(kind.read) as work:
            if target and work.collection(kind).exists(target):
                return page_of(kind, target)
    return ""


def _parts(work: UnitOfWork, filters: AuditFilters) -> Iterator[list[AuditEvent]]:
    """At most `_EXPORTED` events, some at a time."""
    before: str | None = None
    for _ in range(_EXPORTED // _AT_ONCE):
        events, before = filters.page(work.audit_log, before, _AT_ONCE)
        yield events
        if before is None:
            return
