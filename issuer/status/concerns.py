"""What concerns operators although servers are well: rights and secrets that end, odd scopes.

Judged here for `issuer doctor`, `issuer status` and the overview, each with words of its own.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from issuer.catalogue import NEWEST, lint
from issuer.catalogue.lint import Code, ScopeFinding
from issuer.clients.client import ClientSecret
from issuer.clients.clients import Clients
from issuer.roles import Assignments, Role
from issuer.roles.assignments import ENDS_SOON, EndingRole

PRINCIPALS = ("client", "user", "group")
_UNUSED_FOR = timedelta(days=90)
_ODD = {Code.NOT_A_SCOPE, Code.PER_RESOURCE_MEANS_NOTHING, Code.COVERED_BY_ANOTHER}


@dataclass(frozen=True, slots=True)
class Ending:
    """What ends within `ENDS_SOON`: roles, scopes of clients, and client secrets, by client."""

    roles: Sequence[EndingRole]
    scopes: Sequence[tuple[str, str, datetime]]
    secrets: Sequence[tuple[str, str, datetime]]


def ending_soon(
    assignments: Assignments, clients: Clients, kinds: Collection[str], now: datetime, limit: int
) -> Ending:
    """At most `limit` of each: roles of principals of these kinds, unless assigned just now.

    Scopes and secrets only where `client` is one of the kinds.
    """
    soon, of_clients = now + ENDS_SOON, limit if "client" in kinds else 0
    expiring = clients.expiring_secrets(soon, of_clients)
    return Ending(
        assignments.ending_soon(kinds, limit),
        clients.scopes_ending_before(soon, of_clients),
        [(id_, secret.id, end) for id_, secret in expiring if (end := secret.expires_at)],
    )


def unused_secrets(clients: Clients, now: datetime, limit: int) -> list[tuple[str, ClientSecret]]:
    """Client secrets, at most `limit`, that nobody used for 90 days, by client id."""
    return clients.unused_secrets(now - _UNUSED_FOR, limit)


def odd_scope(role: Role) -> ScopeFinding | None:
    """The first scope of the role that is likely a mistake, and why."""
    return next(filter(_is_odd, lint(role.scopes, [NEWEST])), None)


def _is_odd(finding: ScopeFinding) -> bool:
    is_typo = finding.code is Code.UNKNOWN_SCOPE and finding.suggestion is not None
    return is_typo or finding.code in _ODD
