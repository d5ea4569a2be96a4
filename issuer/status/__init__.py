"""What needs attention: one judgement for `issuer doctor`, `issuer status`, probes and console."""

from issuer.status.attention import OK, PROBLEM, WARNING, Finding
from issuer.status.readiness import Readiness
from issuer.status.report import RunningServer, server_status
from issuer.status.server_status import ServerStatus

__all__ = [
    "OK",
    "PROBLEM",
    "WARNING",
    "Finding",
    "Readiness",
    "RunningServer",
    "ServerStatus",
    "server_status",
]
