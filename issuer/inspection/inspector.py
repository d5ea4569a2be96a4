"""Carries out inspections. Imports httpx."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime
from threading import BoundedSemaphore
from typing import Protocol, TypeAlias

from issuer import __version__
from issuer.clock import Clock
from issuer.database import Database
from issuer.database.only_one import if_free
from issuer.errors import IssuerError, TooManyRequests
from issuer.inspection import probing
from issuer.inspection.components import InspectionReport
from issuer.inspection.inspections import InspectionRequest, Inspections
from issuer.inspection.observed import (
    CONFIG,
    INFO,
    SERVICE_ACCOUNTS,
    SOCKET,
    WITHOUT,
    Observed,
    probes_of,
)
from issuer.inspection.rules import exposures_in
from issuer.telemetry.logs import get_logger
from issuer.telemetry.metrics import NOT_INSPECTED, NOTHING, Metrics

log = get_logger(__name__)

_AT_ONCE = 2  # a slow AgentOS holds a thread for each
_RETRY_AFTER = 45  # seconds
_TRIED_EVERY = 3_600.0
_RUNNING = BoundedSemaphore(_AT_ONCE)
_EVENTS = "text/event-stream"  # of a browser's GET, agno makes a redirect


class InspectionWork(Protocol):
    """What an inspection uses of a unit of work."""

    @property
    def inspections(self) -> Inspections: ...


Opening: TypeAlias = Callable[[], AbstractContextManager[InspectionWork]]


class Inspector:
    """Carries out inspections: a process two at a time."""

    def __init__(self, clock: Clock, metrics: Metrics) -> None:
        self._clock = clock
        self._metrics = metrics
        self._tried: dict[tuple[str, str], float] = {}  # when, by audience and URL

    def inspect_due(self, opening: Opening, database: Database) -> None:
        """Inspect each AgentOS that was not inspected for a day, one process at a time.

        One that cannot be inspected is tried again after an hour, or when it has another URL.
        """
        now = self._clock.monotonic()
        self._tried = {each: at for each, at in self._tried.items() if now - at < _TRIED_EVERY}
        with if_free(database, "inspections") as is_free:
            if not is_free:
                return
            with opening() as work:
                due = work.inspections.due()
            for each in due:
                if each not in self._tried:
                    self._tried[each] = now
                    self._try(opening, each[0])

    def _try(self, opening: Opening, audience_id: str) -> None:
        try:
            self.inspect(opening, audience_id)
        except IssuerError as error:
            log.warning("agentos_not_inspected", audience=audience_id, cause=str(error))

    def inspect(
        self,
        opening: Opening,
        audience_id: str,
        url: str | None = None,
    ) -> InspectionReport:
        """Inspect the AgentOS of the audience, at `url` or at its own, and store the result.

        `opening` opens the units of work before and after. `TooManyRequests` while two are running,
        `NotInspected` if there is no AgentOS that answers.
        """
        if not _RUNNING.acquire(blocking=False):
            raise TooManyRequests("Two inspections are running.", _RETRY_AFTER)
        outcome = NOT_INSPECTED
        try:
            with opening() as work:
                request = work.inspections.begin(audience_id, url)
            report = _inspect(request, self._clock())
            with opening() as work:
                work.inspections.finish(report)
            outcome = report.findings[0].severity if report.findings else NOTHING
        finally:
            self._metrics.inspected(outcome)
            _RUNNING.release()
        return report


def _inspect(request: InspectionRequest, now: datetime) -> InspectionReport:
    """Ask the AgentOS, for 45 s at most; `NotInspected` if it does not answer, or is none."""
    try:
        observed = asyncio.run(_observe(request))
    except TimeoutError:
        raise probing.NotInspected(
            f"The AgentOS at {request.url} answers too slowly: not all within"
            f" {probing.TOTAL_SECONDS:g} s."
        ) from None
    return InspectionReport(
        audience=request.audience,
        url=request.url,
        inspected_at=now,
        components=observed.components,
        findings=exposures_in(observed),
    )


async def _observe(request: InspectionRequest) -> Observed:
    user_agent = f"agentos-issuer/{__version__} (inspection; +{request.issuer})"
    prober = probing.Prober(request.url, user_agent, request.tokens.texts)
    async with asyncio.timeout(probing.TOTAL_SECONDS), prober:
        # First: agno may learn only from a request that its WebSocket requires tokens.
        first_message = probing.members_in(await prober.first_message(SOCKET) or "")
        await prober.read(INFO, Origin=probing.FOREIGN_ORIGIN)
        await prober.read(CONFIG)
        await prober.send(WITHOUT)
        observed = Observed(request, prober.answers, first_message)
        _require_agent_os(observed)
        for document in (SERVICE_ACCOUNTS, *observed.resource_documents()):
            await prober.send(document, reads=True)
        for each in observed.mcp():
            await prober.send(each, Accept=_EVENTS)
        probes = probes_of(observed)
        await prober.send_all(probes)
        await prober.send_all(probes)  # those again that a busy AgentOS has not answered
    return observed


def _require_agent_os(observed: Observed) -> None:
    """`NotInspected` unless the answers are such as an AgentOS gives."""
    answer = observed.answers[CONFIG]
    if WITHOUT not in observed.answers or not (answer.is_refused or observed.config):
        url, status = observed.request.url, answer.status
        message = f"There is no AgentOS at {url}: GET {CONFIG.path} answers {status}."
        raise probing.NotInspected(message)
