"""The authorization endpoint (RFC 6749 §3.1): validate → what is still to do → redirect."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, TypeAlias
from urllib.parse import urlencode

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from issuer.audit import Actor
from issuer.background.workers import WorkerPool
from issuer.composition.sign_in import PeopleParts
from issuer.errors import Unavailable
from issuer.http.cookies import AUTHORIZATION_REQUEST, LOGOUT_REQUEST, SESSION, Cookies
from issuer.http.requests import InvalidForm, caller, pairs, receive_body, see_other
from issuer.languages import N_
from issuer.sign_in.authorization_request import (
    VALID_FOR,
    ConsentNeeded,
    Redirection,
    RequestProblem,
    SignInNeeded,
)
from issuer.sign_in.logout import LogoutRequest
from issuer.sign_in.provider_sign_out import SIGN_OUT_PATH
from issuer.sign_in.sessions_store import SignInSession
from issuer.telemetry.logs import get_logger, note_client
from issuer.telemetry.metrics import Metrics
from issuer.vocabulary import ErrorCode

AUTHORIZATION_PATH = "/oauth2/authorize"

# The page of a problem; True where somebody wanted to sign out.
ProblemPage: TypeAlias = Callable[[RequestProblem, bool], Response]

log = get_logger(__name__)


@dataclass(eq=False, repr=False)
class BrowserEndpoint:
    """GET and POST of a form. Errors are pages, which `problem_page` makes.

    A POST is sent again as a GET. Browsers leave out the session cookie (`SameSite=Lax`) where
    another site posts a form, and a POST by itself changes nothing.
    """

    EVENT: ClassVar[str]
    SIGNS_OUT: ClassVar[bool] = False

    _people: PeopleParts
    _base_url: str
    _queries: WorkerPool
    _cookies: Cookies
    _problem_page: ProblemPage

    async def __call__(self, request: Request) -> Response:
        try:
            if request.method == "POST":
                form = pairs(await receive_body(request))
                return see_other(f"{request.scope['path']}?{urlencode(form)}")
            return await self._answer(request, pairs(request.scope["query_string"]))
        except ClientDisconnect:
            raise
        except InvalidForm as error:
            problem = RequestProblem(ErrorCode.INVALID_REQUEST, str(error), status=error.status)
        except Unavailable:
            problem = RequestProblem(
                ErrorCode.TEMPORARILY_UNAVAILABLE,
                N_("The server cannot answer now. Try again in a moment."),
                status=503,
            )
        return self._page(problem)

    async def _answer(self, request: Request, parameters: Sequence[tuple[str, str]]) -> Response:
        raise NotImplementedError

    def _page(self, problem: RequestProblem) -> Response:
        log.info(self.EVENT, error=problem.error, reason=problem.sentence)
        return self._problem_page(problem, self.SIGNS_OUT)

    def _session(
        self, request: Request, find: Callable[[str], SignInSession | None]
    ) -> SignInSession | None:
        cookie = self._cookies.value(request, SESSION)
        return None if cookie is None else find(cookie)

    def _keep(self, request: Request, response: Response, cookie: str, text: str) -> None:
        began_at = self._people.request_began_at
        self._cookies.keep_request(request, response, cookie, text, began_at, VALID_FOR)


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


LOGOUT_PATH = "/oauth2/logout"


class LogoutEndpoint(BrowserEndpoint):
    """Signs out at once for a client that shows the ID token of this session; else it asks."""

    EVENT = "logout_refused"
    SIGNS_OUT = True

    async def _answer(self, request: Request, parameters: Sequence[tuple[str, str]]) -> Response:
        outcome = await self._queries.run(self._decide, request, parameters, caller(request))
        if isinstance(outcome, RequestProblem):
            return self._page(outcome)
        logout, url, is_signed_out = outcome
        response = see_other(url or f"{self._base_url}{SIGN_OUT_PATH}?request={logout.id}")
        if url is None or logout.is_elsewhere:
            sealed = self._people.logout_requests.seal(logout)
            self._keep(request, response, LOGOUT_REQUEST + logout.id, sealed)
        if is_signed_out:
            self._cookies.sign_out(response)
        return response

    def _decide(
        self, request: Request, parameters: Sequence[tuple[str, str]], actor: Actor
    ) -> tuple[LogoutRequest, str | None, bool] | RequestProblem:
        """The request, where the browser goes, and whether nobody is signed in any more.

        Without a URL it goes to the page of the request.
        """
        logout = self._people.logout_requests.validate(parameters)
        if isinstance(logout, RequestProblem):
            return logout
        # Also one that waits for its second factor, which opens nothing else.
        if (session := self._session(request, self._people.sessions.of_browser)) is None:
            logout = logout if logout.redirects_unasked else replace(logout, return_to=None)
            return logout, self._after(logout), True
        if logout.session_id != session.id:  # the client has not shown that it knows it: ask
            return logout, None, False
        self._people.sessions.sign_out(session, actor.known_as(session.user_id))
        elsewhere = self._people.logout_requests.elsewhere(logout)
        there = self._people.provider_sign_out.url_for(session, elsewhere.id)
        if there is not None:
            return elsewhere, there, True
        issuer = self._people.provider_sign_out.issuer_of(session)
        return logout, self._after(logout, issuer.id if issuer else ""), True

    def _after(self, logout: LogoutRequest, still_at: str = "") -> str | None:
        if logout.return_to is not None or logout.ui_locale is not None:
            return logout.return_to
        query = f"?{urlencode({'still': still_at})}" if still_at else ""
        return f"{self._base_url}{SIGN_OUT_PATH}{query}"
