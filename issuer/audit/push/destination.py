"""What a destination of audit events must do, how it fails, and the form of an event."""

import errno
import os
import ssl
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Protocol, TypeAlias

from issuer.audit.audit_log_store import AuditEvent
from issuer.audit.ocsf import as_ocsf
from issuer.errors import IssuerError

SECONDS_TO_ANSWER: Final = 10.0
Render: TypeAlias = Callable[[AuditEvent, bool], dict[str, Any]]


class PushFailure(StrEnum):
    """Why a destination did not acknowledge a batch."""

    CONNECTION = "connection"
    TLS = "tls"
    TIMEOUT = "timeout"
    CREDENTIALS = "credentials"
    REFUSED = "refused"
    OVERLOADED = "overloaded"


class NotDelivered(IssuerError):
    """A batch was not acknowledged; it may have arrived. The text holds no secret.

    `retry_after` is how many seconds the destination asks to wait. `is_too_large` if a smaller
    batch may be accepted.
    """

    def __init__(
        self, failure: PushFailure, message: str, retry_after: float = 0, is_too_large: bool = False
    ) -> None:
        super().__init__(message)
        self.failure = failure
        self.retry_after = retry_after
        self.is_too_large = is_too_large


@dataclass(frozen=True, slots=True)
class Message:
    """An event as it is sent: one line of JSON in ASCII."""

    at: datetime
    action: str
    is_refusal: bool
    text: str


class Destination(Protocol):
    """Where audit events are sent. `name` has no secret: scheme, host and port."""

    name: str
    key: str

    def send(self, messages: Sequence[Message]) -> None:
        """Return when the batch is acknowledged; `NotDelivered` otherwise. Blocks for seconds."""

    def check(self) -> str:
        """Connect without sending an event; says what was checked, or `NotDelivered`."""


def connection_failure(error: Exception) -> NotDelivered:
    """For an error of a socket, or of a library that uses one and has no words of its own."""
    words = str(error) or type(error).__name__
    for cause in _causes(error):
        match cause:
            case ssl.SSLCertVerificationError(verify_message=message):
                reason = message.rstrip(".")
                return NotDelivered(PushFailure.TLS, f"the certificate is not accepted: {reason}")
            case ssl.SSLError(reason=reason):
                return NotDelivered(PushFailure.TLS, f"TLS failed: {reason or cause}")
            case TimeoutError():
                seconds = f"{SECONDS_TO_ANSWER:.0f} s"
                return NotDelivered(PushFailure.TIMEOUT, f"no answer within {seconds}")
            case OSError(errno=int(number), strerror=str(text)) if text:
                words = os.strerror(number) if number in errno.errorcode else text
    return NotDelivered(PushFailure.CONNECTION, f"the connection failed: {words}")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _by_ocsf_names(event: AuditEvent, is_again: bool) -> dict[str, Any]:
    members = as_ocsf(event)
    members["unmapped"] |= _mark(is_again)
    return members


def _mark(is_again: bool) -> dict[str, bool]:
    return {"resent": True} if is_again else {}


# By the values of the setting.
RENDERERS: Mapping[str, Render] = {
    "json": lambda event, is_again: event.model_dump(mode="json") | _mark(is_again),
    "ocsf": _by_ocsf_names,
}
