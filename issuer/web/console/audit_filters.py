"""The filters of the audit log, in the URL."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlencode

from issuer.audit import EventFilter
from issuer.audit.audit_log import AuditEvent, AuditLog
from issuer.web.console.views import Typed

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
