"""What the endpoints that browsers are sent to have in common."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeAlias
from urllib.parse import urlencode

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from issuer.background.workers import WorkerPool
from issuer.composition.sign_in import PeopleParts
from issuer.errors import Unavailable
from issuer.http.cookies import SESSION, Cookies
from issuer.http.requests import InvalidForm, pairs, receive_body, see_other
from issuer.languages import N_
from issuer.sign_in.authorization_request import VALID_FOR, RequestProblem
from issuer.sign_in.sessions_store import SignInSession
from issuer.telemetry.logs import get_logger
from issuer.vocabulary import ErrorCode

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
        """Let the browser keep a request, by a cookie of that name."""
        began_at = self._people.request_began_at
        self._cookies.keep_request(request, response, cookie, text, began_at, VALID_FOR)
