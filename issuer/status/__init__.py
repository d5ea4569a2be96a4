"""What needs attention: one judgement for `issuer doctor`, `issuer status`, probes and console."""

from issuer.status.finding import NOTE, OK, PROBLEM, WARNING, Finding
from issuer.status.readiness import Readiness
from issuer.status.report import RunningServer, ServerStatus, server_status

__all__ = [
    "NOTE",
    "OK",
    "PROBLEM",
    "WARNING",
    "Finding",
    "Readiness",
    "RunningServer",
    "ServerStatus",
    "server_status",
]
