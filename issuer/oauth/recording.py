"""What the record and the log hold of a request to this door, and when wrong credentials answer."""

import asyncio
from dataclasses import replace

import structlog
from authlib.oauth2 import OAuth2Error

from issuer.audit import Actor, Event, Outcome
from issuer.clients.secrets import PREFIX as CLIENT_SECRET
from issuer.clock import Clock
from issuer.fields import is_principal_id
from issuer.oauth.errors import TOO_MANY_REQUESTS, OAuthError
from issuer.oauth.request import Granted, ProtocolRequest
from issuer.refresh import PREFIX as REFRESH_TOKEN
from issuer.refresh import Issue
from issuer.services import Services
from issuer.tokens import AccessToken
from issuer.vocabulary import ErrorCode

# A known client or user takes some queries more than an unknown one. Both answers leave at a full
# beat after the request came, which is longer than what makes the difference.
_ANSWERED_ON_THE_BEAT = {ErrorCode.INVALID_CLIENT.value, ErrorCode.INVALID_GRANT.value}
_BEAT = 0.03  # seconds

log = structlog.get_logger(__name__)


async def tell_refusal(
    event: str, error: OAuth2Error, arrived_at: float, services: Services
) -> None:
    """Tell the log, and return when the refusal may leave."""
    log.info(event, error=error.error, reason=_reason(error))
    if error.error in _ANSWERED_ON_THE_BEAT or error.status_code == TOO_MANY_REQUESTS:
        await asyncio.sleep(_BEAT - (services.clock.monotonic() - arrived_at) % _BEAT)


def actor_of(request: ProtocolRequest) -> Actor:
    """Who sends the request, by its credentials if these were right."""
    client = request.authenticated
    return request.caller.known_as(client.client_id if client else None)


def issued_event(clock: Clock, actor: Actor, granted: Granted, token: AccessToken) -> Event:
    """The event of the token that leaves."""
    return Event(
        at=clock(),
        actor=actor,
        action="token.issued",
        target=granted.authorization.subject,
        details=_issued_details(granted, token),
    )


def issue_of(request: ProtocolRequest) -> Issue:
    """The access token that the request got, to be put on record with a refresh token."""
    assert request.issued is not None
    details = _issued_details(request.granted, request.issued)
    return Issue(request.issued, actor_of(request), details)


def _issued_details(granted: Granted, token: AccessToken) -> dict[str, object]:
    at = granted.authorization.audience.id
    return {"grant_type": granted.grant_type, **token.details(at)}


def refused_event(
    action: str, clock: Clock, actor: Actor, request: ProtocolRequest | None, error: OAuth2Error
) -> Event:
    """The event of a refusal; `request` is None if it could not be read."""
    return Event(
        at=clock(),
        actor=actor,
        action=action,
        target=(request.named_subject if request else None) or claimed_client(request),
        outcome=Outcome.REFUSED,
        reason=_reason(error),
        details={"error": error.error},
    )


async def put_on_record(
    event: Event, request: ProtocolRequest | None, error: OAuth2Error | None, services: Services
) -> None:
    """Durable before the answer; but what a limit refused has cost nothing, and is counted."""
    if request is None or error is None or error.status_code != TOO_MANY_REQUESTS:
        await services.audit.record(event)
        return
    actor = replace(event.actor, address=request.network)
    services.refusals.note(replace(event, actor=actor, target=None))


def note_use_of_secret(request: ProtocolRequest | None, services: Services) -> None:
    """When and from where the secret was used that the request came with, if it is one of ours."""
    if request is not None and request.secret is not None:
        services.last_use.note(request.secret.id, services.clock(), request.caller.address)


def may_be_secret(text: str) -> bool:
    """People send a secret where something else belongs: such a text is not put on record."""
    return CLIENT_SECRET in text or REFRESH_TOKEN in text


def claimed_client(request: ProtocolRequest | None) -> str | None:
    """Whom an unauthenticated caller says to be, if anybody could be called that."""
    claimed = (request.claimed_client_id if request else None) or ""
    return claimed if is_principal_id(claimed) and not may_be_secret(claimed) else None


def _reason(error: OAuth2Error) -> str:
    return error.reason if isinstance(error, OAuthError) else str(error.description)
