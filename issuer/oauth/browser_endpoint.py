"""What the endpoints that browsers are sent to have in common."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeAlias
from urllib.parse import urlencode

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from issuer.background.workers import WorkerPool
from issuer.composition.sign_in import PeopleParts
from issuer.errors import Unavailable
from issuer.http.cookies import AUTHORIZATION_REQUEST, LOGOUT_REQUEST, SESSION, Cookies
from issuer.http.requests import InvalidForm, pairs, receive_body, see_other
from issuer.sign_in.authorization_request import (
    VALID_FOR,
    AuthorizationRequest,
    RequestDigest,
    RequestProblem,
)
from issuer.sign_in.logout import LogoutRequest
from issuer.sign_in.sessions_store import SignInSession
from issuer.vocabulary import ErrorCode

# The page of a problem; True where somebody wanted to sign out.
ProblemPage: TypeAlias = Callable[[RequestProblem, bool], Response]

_MAX_REQUESTS = 5  # in one browser, such as in several tabs
_MAX_BYTES = 6_000  # of their cookies: many servers and proxies accept headers of 8 KB

log = structlog.get_logger(__name__)


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
                "The server cannot answer now. Try again in a moment.",
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

    def _keep(
        self, request: Request, response: Response, kind: str, request_id: str, text: str
    ) -> None:
        """Set the cookie of a request, in place of those that the browser needs no more."""
        for short in self._surplus(request, kind + request_id, text):
            self._cookies.delete(response, short)
        self._cookies.set(response, kind + request_id, text, VALID_FOR)

    def _surplus(self, request: Request, new: str, text: str) -> list[str]:
        """Cookies of requests that have expired, and the oldest of those that are too much."""
        requests, of_logout = self._people.requests, self._people.logout_requests
        earlier: AuthorizationRequest | RequestDigest | LogoutRequest | None
        kept, surplus = [], []
        for short, value in self._cookies.all(request).items():
            if short.startswith(AUTHORIZATION_REQUEST):
                earlier = requests.digest_in(value) or requests.open(value)
            elif short.startswith(LOGOUT_REQUEST):
                earlier = of_logout.open(value)
            else:
                continue
            if earlier is None:
                surplus.append(short)
            else:
                kept.append((earlier.created_at, short, value))
        number, size = 1, self._cookies.size(new, text)
        for _, short, value in sorted(kept, reverse=True):
            number, size = number + 1, size + self._cookies.size(short, value)
            if number > _MAX_REQUESTS or size > _MAX_BYTES:
                surplus.append(short)
        return surplus
