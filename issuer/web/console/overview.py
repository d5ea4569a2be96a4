"""`/console`: is everything well, what to look at, tokens issued and refused, latest changes."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice

from starlette.responses import Response

from issuer.audit import AuditEvent
from issuer.errors import IssuerError
from issuer.keys.described import all_described
from issuer.keys.schedule import KeyState
from issuer.web.console import keys, recent_events
from issuer.web.console.concerns import Concern, concerns
from issuer.web.console.endpoint import ConsoleEndpoint, Operator
from issuer.web.console.menu import PATH
from issuer.web.console.token_chart import HEIGHT, TokenChart, first_step, token_chart
from issuer.web.console.views import ConsolePage
from issuer.web.visit import Visit

_CHANGES, _LOOKED_AT = 10, 200
_NO_CHANGES = ("session.", "sign_in.")
_HOUR, _HOURS = timedelta(hours=1), 24
_DAY, _DAYS = timedelta(days=1), 7


@dataclass(frozen=True, slots=True)
class StatusLine:
    """Whether a part of the issuer is well; `path` is that of its page, if it has one."""

    name: str
    is_well: bool
    text: str
    path: str = ""


@dataclass(frozen=True, kw_only=True)
class OverviewPage(ConsolePage):
    """Charts and changes are for those who may read the audit log; None for others."""

    TEMPLATE = "console/overview.html"
    title = "Overview"
    status: tuple[StatusLine, ...]
    concerns: tuple[Concern, ...]
    charts: tuple[TokenChart, ...]
    changes: tuple[AuditEvent, ...] | None
    height: int = HEIGHT


class OverviewEndpoint(ConsoleEndpoint):
    PATH = PATH

    def screen(self, operator: Operator, visit: Visit) -> Response:
        reads_audit = operator.holds(recent_events.READ)
        page = OverviewPage(
            frame=self.frame(operator, visit),
            commands=(self.commands.command(("doctor",)),),
            status=tuple(self._status(operator)),
            concerns=concerns(operator, self.parts),
            charts=self._charts() if reads_audit else (),
            changes=self._changes(operator) if reads_audit else None,
        )
        return self.site.pages.answer(page)

    def _status(self, operator: Operator) -> Iterator[StatusLine]:
        yield self._readiness()
        if operator.holds(keys.READ):
            yield from self._keys()
        if operator.holds(recent_events.READ):
            yield self._audit()

    def _readiness(self) -> StatusLine:
        """As `/readyz` answers."""
        text = "This server can issue tokens."
        try:
            self.parts.readiness.require()
            is_well = self.parts.audit.writer.failure is None
        except IssuerError:
            is_well = False
        return StatusLine(
            "Tokens",
            is_well,
            text if is_well else "This server cannot issue tokens now. Its log says why.",
        )

    def _keys(self) -> Iterator[StatusLine]:
        described = all_described(self.parts.administration.keyring.keys, self.parts.clock())
        for alg in self.parts.settings.signing_algorithms:
            states = {key.state: key for key in described if key.alg == alg}
            active = states.get(KeyState.ACTIVE)
            is_well = active is not None and KeyState.ANNOUNCED in states
            text = f"The active key {active.summary}." if active else "There is no active key."
            yield StatusLine(f"{alg} keys", is_well, text, "/console/keys")

    def _audit(self) -> StatusLine:
        coverage = self.parts.audit.checkpoints.coverage()
        text = f"{coverage.uncovered:,} events are newer than the last checkpoint."
        if coverage.uncovered == 1:
            text = "1 event is newer than the last checkpoint."
        if not coverage.is_intact:
            text = "Events are missing that a checkpoint covers. Run issuer audit verify."
        return StatusLine("Audit log", coverage.is_intact, text, "/console/audit")

    def _charts(self) -> tuple[TokenChart, ...]:
        now = self.parts.clock()
        counts = self.parts.audit.token_counts.since(first_step(now, _DAY, _DAYS))
        return (
            token_chart("Last 24 hours", counts, now, _HOUR, _HOURS),
            token_chart("Last 7 days", counts, now, _DAY, _DAYS),
        )

    def _changes(self, operator: Operator) -> tuple[AuditEvent, ...]:
        with operator.work(recent_events.READ) as work:
            events = work.audit_log.changes(_LOOKED_AT)
        changes = (each for each in events if not each.action.startswith(_NO_CHANGES))
        return tuple(islice(changes, _CHANGES))
