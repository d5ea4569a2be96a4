"""Provisioning clients that cannot request tokens: they send a client id with a secret.

Entra and Okta keep one text for every request, and stop when it expires, as access tokens do. The
text is base64 of `client_id:client_secret`, after `Bearer` or, as RFC 7617 has it, after `Basic`.
"""

import base64
import binascii
from dataclasses import dataclass, field, replace
from functools import partial

from starlette.requests import Request

from issuer.audit import Actor, AuditWriter, Event, RefusalAggregator
from issuer.audit.chain_store import Outcome
from issuer.background.workers import WorkerPool
from issuer.clients.authentication import AuthenticatedClient, ClientAuthentication, LastUse
from issuer.clock import Clock
from issuer.errors import InvalidCredentials, TooManyRequests
from issuer.fields.networks import network_of
from issuer.http.requests import caller, delay_refusal, values_of
from issuer.rate_limits.outcome_limit import OutcomeLimit
from issuer.scopes import ISSUER_SCIM, covers
from issuer.tokens.authorization import Authorization
from issuer.vocabulary import GrantType

_SCHEMES = {"basic", "bearer"}


@dataclass(frozen=True)
class PresentedSecret:
    """A client id and a secret, not yet checked."""

    client_id: str
    secret: str = field(repr=False)


def presented_secret(request: Request) -> PresentedSecret | None:
    """What the request presents in place of an access token, if it does."""
    sent = values_of(request.scope["headers"], b"authorization")
    scheme, _, text = (sent[0] if len(sent) == 1 else b"").decode("latin-1").partition(" ")
    if scheme.lower() not in _SCHEMES:
        return None
    try:
        decoded = base64.b64decode(text.strip(), validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        return None
    client_id, colon, secret = decoded.rpartition(":")
    return PresentedSecret(client_id, secret) if colon else None


@dataclass(eq=False, repr=False)
class ClientSecretChecks:
    """Authenticates clients by their secrets, as the token endpoint does: with its limits.

    A refusal is audited, and sent on time.
    """

    _authentication: ClientAuthentication
    _last_use: LastUse
    _failures: OutcomeLimit | None
    _audit: AuditWriter
    _gathered: RefusalAggregator
    _queries: WorkerPool
    _clock: Clock
    _own_audience: str

    async def authenticate(self, request: Request, presented: PresentedSecret) -> frozenset[str]:
        """`issuer:scim` alone, if the client holds it and may get tokens for itself.

        `InvalidCredentials`, the same for every cause; `TooManyRequests` beforehand.
        """
        arrived_at, actor = self._clock.monotonic(), caller(request)
        try:
            client = await self._authenticate(presented, network_of(actor.address))
        except (InvalidCredentials, TooManyRequests) as error:
            await self._note_refusal(actor, error)
            await delay_refusal(self._clock, arrived_at)
            raise
        self._last_use.note(client.secret, self._clock(), actor.address)
        audience = client.record.audiences.get(self._own_audience)
        if audience is None or GrantType.CLIENT_CREDENTIALS not in client.record.grant_types:
            return frozenset()
        held = Authorization.of_client(client.record, audience).scopes
        return frozenset({ISSUER_SCIM} if covers(held, ISSUER_SCIM) else ())

    async def _authenticate(self, presented: PresentedSecret, network: str) -> AuthenticatedClient:
        client_id, secret = presented.client_id, presented.secret
        client = self._authentication.from_memory(client_id, secret, self._clock())
        if client is not None:
            return client
        check = partial(self._look_up, presented)
        limit = self._failures
        outcome = await (limit.run(network, check, counts=_is_wrong) if limit else check())
        if isinstance(outcome, InvalidCredentials):
            raise outcome
        return outcome

    async def _look_up(
        self, presented: PresentedSecret
    ) -> AuthenticatedClient | InvalidCredentials:
        client_id, secret = presented.client_id, presented.secret
        from_database = self._authentication.from_database
        try:
            found = await self._queries.run(
                from_database, client_id, secret, self._clock(), is_last=True
            )
        except InvalidCredentials as error:
            return error
        assert isinstance(found, AuthenticatedClient)
        return found

    async def _note_refusal(
        self, actor: Actor, error: InvalidCredentials | TooManyRequests
    ) -> None:
        """Audit a refusal; refusals by a rate limit are counted."""
        event = Event(self._clock(), actor, "scim.refused", None, Outcome.REFUSED, str(error))
        if isinstance(error, InvalidCredentials):
            await self._audit.record(replace(event, target=error.subject, reason=error.reason))
        else:
            network = replace(actor, address=network_of(actor.address))
            self._gathered.note(replace(event, actor=network))


def _is_wrong(outcome: object) -> bool:
    return isinstance(outcome, InvalidCredentials)
