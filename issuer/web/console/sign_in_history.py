"""When and from where a user signed in, or did not, for those who may read the audit log."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from issuer.audit import AuditEvent
from issuer.web.console.endpoint import Operator
from issuer.web.console.recent_events import READ

_SHOWN = 20
_BEGAN, _FAILED, _LOCKED = "session.began", "sign_in.failed", "sign_in.locked"
_METHODS = {  # RFC 8176
    "pwd": "password",
    "otp": "code",
    "hwk": "passkey",
    "swk": "passkey",
    "mfa": "",
}


@dataclass(frozen=True, slots=True)
class SignInSeen:
    """`result` in words: with what somebody signed in, or why not."""

    event_id: int
    at: datetime
    address: str
    result: str
    is_well: bool
    count: int


def sign_in_history(operator: Operator, user_id: str) -> tuple[SignInSeen, ...] | None:
    """The newest sign-ins on the pages; None without the scope to read the audit log."""
    if not operator.holds(READ):
        return None
    with operator.work(READ) as work:
        events = work.audit_log.about(user_id, _SHOWN, (_BEGAN, _FAILED, _LOCKED))
    return tuple(map(_seen, events))


def methods_in_words(methods: Iterable[str]) -> str:
    """ "password and code"."""
    words = dict.fromkeys(_METHODS.get(each, each) for each in methods)
    return " and ".join(filter(None, words))


def _seen(event: AuditEvent) -> SignInSeen:
    match event.action:
        case "session.began":
            methods = event.details.get("methods", [])
            result = f"signed in with {methods_in_words(methods)}" if methods else "signed in"
        case "sign_in.locked":
            result = "locked after wrong attempts"
        case _:
            result = f"refused: {event.reason}"
    is_well = event.action == _BEGAN
    return SignInSeen(event.id, event.at, event.address or "", result, is_well, event.count)
