"""What the operations of the admin API use, beside the access of the caller."""

from dataclasses import dataclass

from fastapi import Request

from issuer.admin.scim.client_secrets import ClientSecretChecks
from issuer.background.turns import Turns
from issuer.background.workers import WorkerPool
from issuer.composition import Administration
from issuer.rate_limits.password_pool import PasswordPool
from issuer.rate_limits.request_limits import ClientQueues
from issuer.status.readiness import RunningServer


@dataclass(frozen=True)
class AdminParts:
    """`plans` take seconds and a hundred megabytes. `lint_queues` bound what one caller may ask."""

    administration: Administration
    server: RunningServer
    plans: WorkerPool
    passwords: PasswordPool
    lints: WorkerPool
    lint_queues: ClientQueues
    client_secrets: ClientSecretChecks
    turns: Turns


def admin_parts(request: Request) -> AdminParts:
    """The parts of the application that answers."""
    parts: AdminParts = request.app.state.admin
    return parts
