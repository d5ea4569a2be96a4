"""`/console/audit`: who did what, and what was refused; newest first."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlencode

from starlette.responses import Response

from issuer.audit import AuditEvent, EventFilter
from issuer.audit.audit_log_store import AuditLog, is_event_id
from issuer.composition import UnitOfWork
from issuer.errors import NotFound
from issuer.fields.text import escaped, readable_json
from issuer.groups import GROUP
from issuer.web.console.screens.operator import Operator, readable
from issuer.web.console.screens.recent_events import READ
from issuer.web.console.screens.screen import ConsoleScreen
from issuer.web.console.screens.views import PAGE, Listing, Typed
from issuer.web.words import segment

_LIST = "/console/audit"
_NEIGHBOURS = 3  # on each side
_EXPORTED, _AT_ONCE = 10_000, 1_000
_TEXTS = ("actor", "action", "target", "address")
_TIMES = ("since", "until")
NAMES = (*_TEXTS, *_TIMES)
_MAX_CHARACTERS = 255
# Neither has an index. So many events are looked at for one page; the next page looks further back.
_UNINDEXED = {"action", "address"}
_LOOKED_AT = 100_000


@dataclass(frozen=True)
class AuditFilters:
    """`values` as they were given, `errors` by the name of the filter."""

    values: Typed
    wanted: EventFilter
    errors: Typed

    @classmethod
    def read(cls, query: Mapping[str, str]) -> "AuditFilters":
        values = {name: query[name].strip()[:_MAX_CHARACTERS] for name in NAMES if name in query}
        wanted: dict[str, object] = {name: values[name] for name in _TEXTS if values.get(name)}
        errors = {}
        for name in _TIMES:
            try:
                wanted |= {name: _instant(values[name])} if values.get(name) else {}
            except ValueError:
                errors[name] = "Write a time like 2026-11-01 or 2026-11-01 12:30, in UTC."
        return cls(Typed(values), EventFilter.model_validate(wanted), Typed(errors))

    @property
    def query(self) -> str:
        """As the query of a URL."""
        return urlencode({name: value for name, value in self.values.items() if value})

    @property
    def options(self) -> tuple[str, ...]:
        """As options of the command line."""
        given = [(name, value) for name, value in self.values.items() if value]
        return tuple(text for name, value in given for text in (f"--{name}", value))

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


def _instant(text: str) -> datetime:
    """In UTC, unless it says otherwise; `ValueError`."""
    at = datetime.fromisoformat(text)
    try:
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except OverflowError:
        raise ValueError from None


class AuditScreen(ConsoleScreen):
    PATH = _LIST
    LABEL = "Audit log"
    READ = READ

    def show(self) -> Response:
        filters = AuditFilters.read(self.visit.query)
        before = _event_id(self.visit.query.get("before", ""))
        events: list[AuditEvent] = []
        following = None
        if not filters.errors:
            with self.operator.work(READ) as work:
                events, following = filters.page(work.audit_log, before, PAGE)
        cli, api = ("audit", "list", *filters.options), ("audit-events",)
        url = f"{self.site.base}{_LIST}?{filters.query}"
        return self.answer(
            "audit",
            "Audit log",
            commands=(
                self.commands.command(cli, "GET", api, None, filters.query),
                self.commands.command(("audit", "verify")),
            ),
            listing=Listing(
                tuple(events),
                "",
                next_url=f"{url}&before={following}".replace("?&", "?") if following else "",
                first_url=url.rstrip("?") if before else "",
            ),
            filters=filters.query,
            values=filters.values,
            errors=filters.errors,
            coverage=self.parts.audit.checkpoints.coverage(),
            most=_EXPORTED,
        )


class AuditExportScreen(ConsoleScreen):
    """The events that match the filters, as a file of JSON lines."""

    PATH = f"{_LIST}/export"
    READ = READ

    def show(self) -> Response:
        filters = AuditFilters.read(self.visit.query)
        if filters.errors:
            return self.site.to(_LIST, **filters.values)
        with self.operator.work(READ) as work:
            lines = "".join(f"{escaped(each.model_dump_json())}\n" for each in _all(work, filters))
        return self.download(lines, "application/x-ndjson", "audit.jsonl")


class AuditEventScreen(ConsoleScreen):
    """An event with its `neighbours` in its chain, and a link to the page it is `about`, if any."""

    PATH = f"{_LIST}/{{id}}"
    READ = READ

    def show(self) -> Response:
        asked = self.visit.request.path_params["id"]
        event_id = _event_id(asked)
        if event_id is None:
            raise NotFound("audit event", asked)
        with self.operator.work(READ) as work:
            event = work.audit_log.get(int(event_id))
            neighbours = work.audit_log.around(event, _NEIGHBOURS)
        return self.answer(
            "audit_event",
            f"Event {event.id}",
            commands=(self.commands.command(("audit", "verify")),),
            event=event,
            about=_page_of(self.operator, event.target or ""),
            details=readable_json(event.details) if event.details else "",
            neighbours=neighbours,
            coverage=self.parts.audit.checkpoints.coverage(),
        )


def _page_of(operator: Operator, target: str) -> str:
    for kind in readable(operator, GROUP):
        with operator.work(kind.read) as work:
            if target and work.collection(kind).exists(target):
                return f"/console/{kind.plural}/{segment(target)}"
    return ""


def _event_id(text: str) -> str | None:
    return text if is_event_id(text) else None


def _all(work: UnitOfWork, filters: AuditFilters) -> Iterator[AuditEvent]:
    """At most `_EXPORTED` events, some at a time."""
    before: str | None = None
    for _ in range(_EXPORTED // _AT_ONCE):
        events, before = filters.page(work.audit_log, before, _AT_ONCE)
        yield from events
        if before is None:
            return
