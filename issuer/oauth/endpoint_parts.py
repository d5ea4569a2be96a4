"""What the token, revocation, introspection and registration endpoints share."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.requests import Request

from issuer.background.workers import WorkerPool
from issuer.clock import Clock
from issuer.composition.tokens import TokenParts
from issuer.errors import Unavailable
from issuer.http.requests import caller
from issuer.oauth.audit_events import Refusals
from issuer.oauth.authorization_server import IssuerAuthorizationServer
from issuer.oauth.credential_checks import CredentialChecks
from issuer.oauth.errors import unavailable
from issuer.oauth.load_shedder import LoadShedder
from issuer.oauth.responses import OAuthResponse


@dataclass(frozen=True)
class EndpointParts:
    clock: Clock
    tokens: TokenParts
    server: IssuerAuthorizationServer
    checks: CredentialChecks
    refusals: Refusals
    rounds: LoadShedder
    queries: WorkerPool

    async def answered(
        self, request: Request, event: str, answer: Callable[[Request], Awaitable[OAuthResponse]]
    ) -> OAuthResponse:
        """The answer; 503 under overload, and while the database is unavailable.

        A refusal is logged as `event`, and returned when it may be sent.
        """
        arrived_at = self.clock.monotonic()
        try:
            self.rounds.require_time()
            self.tokens.changes.require_current()
            response = await answer(request)
        except Unavailable as error:
            response = OAuthResponse.refusing(unavailable(error))
        if response.error is not None:
            await self.refusals.log(event, response.error, arrived_at)
            await self.rounds.pace(response.status, caller(request).address)
        return response
