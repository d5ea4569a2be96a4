"""Audit events and log lines of protocol requests, and the timing of refusals."""

from dataclasses import replace
from datetime import datetime

import structlog
from authlib.oauth2 import OAuth2Error

from issuer.audit import Actor, AuditWriter, Event, Outcome, RefusalAggregator
from issuer.clock import Clock
from issuer.fields.networks import network_of
from issuer.http.requests import delay_refusal
from issuer.oauth.errors import TOO_MANY_REQUESTS, NothingDone, OAuthError, named_principal
from issuer.oauth.grants import Granted
from issuer.refresh_tokens import TokenToStore
from issuer.tokens import AccessToken
from issuer.vocabulary import ErrorCode

_SENT_AT_INTERVALS = {ErrorCode.INVALID_CLIENT.value, ErrorCode.INVALID_GRANT.value}

log = structlog.get_logger(__name__)


def issued_event(granted: Granted, token: AccessToken, actor: Actor, now: datetime) -> Event:
    """The audit event of an issued token."""
    return Event(
        at=now,
        actor=actor,
        action="token.issued",
        target=granted.authorization.subject,
        details=_issued_details(granted, token),
    )


def issue_of(granted: Granted, token: AccessToken, actor: Actor) -> TokenToStore:
    """The token, to be stored and audited together with a refresh token."""
    return TokenToStore(token, actor, _issued_details(granted, token))


def _issued_details(granted: Granted, token: AccessToken) -> dict[str, object]:
    audience = granted.authorization.audience.id
    details = {"grant_type": granted.grant_type, **token.details(audience)}
    if granted.assertion is not None:
        details["assertion"] = granted.assertion.details
    return details


class Refusals:
    """Writes refusals to the audit log and the server log, and delays some."""

    def __init__(self, audit: AuditWriter, gathered: RefusalAggregator, clock: Clock) -> None:
        self._audit = audit
        self._gathered = gathered
        self._clock = clock

    async def audit(self, action: str, error: OAuth2Error, actor: Actor) -> None:
        """Durable when it returns. Refusals by a rate limit are counted and written later."""
        event = Event(
            at=self._clock(),
            actor=actor,
            action=action,
            target=_target(error) or actor.id,
            outcome=Outcome.REFUSED,
            reason=_reason(error),
            details={} if isinstance(error, NothingDone) else {"error": error.error},
        )
        if error.status_code == TOO_MANY_REQUESTS:
            network = replace(actor, address=network_of(actor.address))
            self._gathered.note(replace(event, actor=network, target=None))
        else:
            await self._audit.record(event)

    async def log(self, event: str, error: OAuth2Error, arrived_at: float) -> None:
        """Log it; return when the response may be sent (`arrived_at`: monotonic clock)."""
        log.info(event, error=error.error, reason=_reason(error))
        if error.error in _SENT_AT_INTERVALS or error.status_code == TOO_MANY_REQUESTS:
            await delay_refusal(self._clock, arrived_at)


def _target(error: OAuth2Error) -> str | None:
    """The id that the request named, if it is a possible id."""
    return named_principal(error.target) if isinstance(error, OAuthError) else None


def _reason(error: OAuth2Error) -> str:
    return error.reason if isinstance(error, OAuthError) else str(error.description)
