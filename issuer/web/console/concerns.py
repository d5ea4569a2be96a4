"""What an operator should look at: a bounded list, of what the person may read."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from issuer.audit.audit_log import AuditEvent
from issuer.catalogue import NEWEST, lint
from issuer.catalogue.lint import Code, ScopeFinding
from issuer.clients import CLIENT
from issuer.composition.interface_parts import WebParts
from issuer.roles import ROLE
from issuer.users import USER
from issuer.web.console.endpoint import Operator
from issuer.web.words import ago, segment

_SHOWN = 5  # of each kind
_EXPIRES_WITHIN = timedelta(days=14)
_UNUSED_FOR = timedelta(days=90)
_MOST_ROLES, _MOST_SCOPES = 100, 100
_MOST_CHANGES = 200
_LOCKED = "sign_in.locked"
_ODD = {Code.NOT_A_SCOPE, Code.PER_RESOURCE_MEANS_NOTHING, Code.COVERED_BY_ANOTHER}


@dataclass(frozen=True, slots=True)
class Concern:
    """`name` is that of the thing, whose page is at `path`."""

    name: str
    path: str
    text: str


def concerns(operator: Operator, parts: WebParts) -> tuple[Concern, ...]:
    """At most a few of each kind."""
    found: list[Concern] = []
    if operator.holds(CLIENT.read):
        found += _secrets(operator, parts)
    if operator.holds(ROLE.read):
        found += _roles(operator)
    if operator.holds(USER.read):
        found += _users(operator, parts)
    return tuple(found)


def _secrets(operator: Operator, parts: WebParts) -> Iterator[Concern]:
    now = parts.clock()
    with operator.work(CLIENT.read) as work:
        expiring = work.clients.expiring_secrets(now + _EXPIRES_WITHIN, _SHOWN)
        unused = work.clients.unused_secrets(now - _UNUSED_FOR, _SHOWN)
    for client_id, secret in expiring:
        if secret.expires_at is not None:
            yield _of_client(client_id, f"A secret expires {ago(secret.expires_at, now)}.")
    for client_id, secret in unused:
        used = secret.last_used_at
        text = f"was last used {ago(used, now)}" if used else "was never used"
        yield _of_client(client_id, f"A secret {text}, and was made {ago(secret.created_at, now)}.")


def _of_client(client_id: str, text: str) -> Concern:
    return Concern(client_id, f"/console/clients/{segment(client_id)}", text)


def _roles(operator: Operator) -> Iterator[Concern]:
    with operator.work(ROLE.read) as work:
        roles = work.roles.page(None, _MOST_ROLES)
    shown, scopes = 0, 0
    for role in roles:
        scopes += len(role.scopes)
        if scopes > _MOST_SCOPES or shown == _SHOWN:
            return
        odd = next(filter(_is_odd, lint(role.scopes, [NEWEST])), None)
        if odd is not None:
            shown += 1
            yield Concern(role.name, f"/console/roles/{segment(role.name)}", odd.message)


def _is_odd(finding: ScopeFinding) -> bool:
    is_typo = finding.code is Code.UNKNOWN_SCOPE and finding.suggestion is not None
    return is_typo or finding.code in _ODD


def _users(operator: Operator, parts: WebParts) -> Iterator[Concern]:
    """Users whose sign-in was locked lately, by the newest changes."""
    with operator.work(USER.read) as work:
        changes = work.audit_log.changes(_MOST_CHANGES)
    locked = dict.fromkeys(user_id for each in changes if (user_id := _locked_user(each)))
    for user_id in list(locked)[:_SHOWN]:
        until = parts.sign_in.guard.state_of(user_id).locked_until
        user = parts.directory.load_user(user_id)
        if until is not None and user is not None:
            ends = ago(until, parts.clock())
            text = f"Sign-in is locked after wrong passwords; the lock ends {ends}."
            yield Concern(user.username, f"/console/users/{segment(user_id)}", text)


def _locked_user(event: AuditEvent) -> str | None:
    return event.target if event.action == _LOCKED else None
