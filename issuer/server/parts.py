"""What the applications of a server share: threads in bounded pools, what is noted of requests."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from starlette.responses import Response

from issuer.background.workers import WorkerPool
from issuer.clients.documents import MAX_FETCHES_AT_ONCE
from issuer.composition.composition import WebParts
from issuer.http.middleware import Observer
from issuer.http.requests import RawHeaders
from issuer.rate_limits.limits import RateLimits
from issuer.rate_limits.password_pool import PasswordPool
from issuer.settings import Settings
from issuer.sign_in.authorization_request import RequestProblem
from issuer.status.readiness import RunningServer
from issuer.telemetry.metrics import Metrics

if TYPE_CHECKING:  # imported with the first page
    from issuer.web import Pages

_QUERY_WORKERS = 8
_QUERY_QUEUE = 256
_PLANS_AT_ONCE = 2  # each may take a hundred megabytes
LINTS_WAITING = 16


class Pools:
    """Threads for what must not block the event loop."""

    def __init__(self, settings: Settings, metrics: Metrics) -> None:
        self.queries = WorkerPool("queries", _QUERY_WORKERS, _QUERY_QUEUE, metrics)
        # Apart: pages may wait for metadata documents for seconds, but never all threads do.
        people = _QUERY_WORKERS + MAX_FETCHES_AT_ONCE
        self.people = WorkerPool("people", people, _QUERY_QUEUE, metrics)
        # A manifest may name a million users. The database bounds each of its statements.
        self.plans = WorkerPool("plans", _PLANS_AT_ONCE, 0, metrics, max_seconds=None)
        self.lints = WorkerPool("lints", 1, LINTS_WAITING, metrics)
        workers, queue = settings.password_workers, settings.password_queue
        self.passwords = WorkerPool("passwords", workers, queue, metrics)
        self.all = (self.queries, self.people, self.plans, self.lints, self.passwords)


@dataclass(frozen=True)
class ServerParts:
    """`observers` are called after each request, `headers` are sent with each answer."""

    web: WebParts
    running: RunningServer
    pools: Pools
    passwords: PasswordPool
    limits: RateLimits
    metrics: Metrics
    observers: Sequence[Observer]
    headers: RawHeaders

    @cached_property
    def pages(self) -> "Pages":
        from issuer.web import Pages  # noqa: PLC0415 - 6.8 MB

        return Pages(self.web.settings, self.web.clock, self.web.logo)

    def problem_page(self, problem: RequestProblem, signs_out: bool) -> Response:
        """What the protocol endpoints answer a browser with that they cannot redirect."""
        from issuer.web import problem_page  # noqa: PLC0415 - 6.8 MB

        return problem_page(self.pages, self.web.settings.base_path)(problem, signs_out)
