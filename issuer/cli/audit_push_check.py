"""The check of `issuer doctor` on where audit events are sent."""

from collections.abc import Iterator
from urllib.parse import urlsplit

from issuer.audit.push import NotDelivered, Progress, Pusher
from issuer.cli.checks import Finding
from issuer.settings import is_loopback

_CHECK = "audit push"


def of_audit_push(pusher: Pusher) -> Iterator[Finding]:
    """Whether the destination can be reached now, and how far it has acknowledged."""
    name = pusher.destination.name
    if name.startswith("syslog://") and not is_loopback(urlsplit(name).hostname or ""):
        message = f"{name} is not encrypted: use syslog+tls:// or https://."
        yield Finding(_CHECK, "warning", message)
    progress = pusher.poll() or Progress()
    try:
        answer = pusher.destination.check()
    except NotDelivered as error:
        yield Finding(_CHECK, "problem", f"{name} does not accept events: {error}.")
    else:
        yield Finding(_CHECK, "ok", f"{name} is reachable. {answer}")
    waiting = f"Events that wait to be sent: at most {pusher.state.behind:,}."
    if progress.failed and progress.last_failure:
        message = f"The last {progress.failed} attempts failed: {progress.last_failure}. {waiting}"
        yield Finding(_CHECK, "warning", message)
    else:
        yield Finding(_CHECK, "note", waiting)
