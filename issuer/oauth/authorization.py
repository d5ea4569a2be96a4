"""The authorization endpoint (RFC 6749 §3.1): validate → what is still to do → redirect."""

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from issuer.audit import Actor
from issuer.http.cookies import AUTHORIZATION_REQUEST
from issuer.http.requests import caller, see_other
from issuer.oauth.browser_endpoint import BrowserEndpoint, log
from issuer.sign_in.authorization_request import (
    ConsentNeeded,
    Redirection,
    RequestProblem,
    SignInNeeded,
)
from issuer.telemetry.logs import note_client
from issuer.telemetry.metrics import Metrics

AUTHORIZATION_PATH = "/oauth2/authorize"


@dataclass(eq=False, repr=False)
class AuthorizationEndpoint(BrowserEndpoint):
    """A GET consumes nothing, so that link previews and clients that probe do no harm.

    Where a person must act, the browser keeps the request, and goes to the page for it.
    """

    EVENT = "authorization_refused"

    _metrics: Metrics

    async def _answer(self, request: Request, parameters: Sequence[tuple[str, str]]) -> Response:
        outcome = await self._queries.run(self._decide, request, parameters, caller(request))
        if isinstance(outcome, RequestProblem):
            return self._page(outcome)
        if isinstance(outcome, Redirection):
            self._metrics.authorization_answered(outcome.error)
            if outcome.error:
                log.info(self.EVENT, error=outcome.error)
            return see_other(outcome.url)
        step, sealed = outcome
        page = "consent" if isinstance(step, ConsentNeeded) else "sign-in"
        name, cookie = self._people.requests.keep(step.request, sealed)
        response = see_other(f"{self._base_url}/{page}?request={name}")
        self._keep(request, response, AUTHORIZATION_REQUEST + step.request.id, cookie)
        return response

    def _decide(
        self, request: Request, parameters: Sequence[tuple[str, str]], actor: Actor
    ) -> tuple[SignInNeeded | ConsentNeeded, str] | Redirection | RequestProblem:
        validated = self._people.validation.validate(parameters)
        if isinstance(validated, Redirection | RequestProblem):
            return validated
        authorization_request, sealed = validated
        note_client(authorization_request.client_id)
        session = self._session(request, self._people.sessions.find)
        step = self._people.flow.next_step(authorization_request, session, actor)
        return step if isinstance(step, Redirection | RequestProblem) else (step, sealed)

    def _page(self, problem: RequestProblem) -> Response:
        self._metrics.authorization_answered(problem.error)
        return super()._page(problem)
