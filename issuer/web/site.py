"""What every page uses, and the frame of every page: visit, anti-forgery, cookies."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import Response

from issuer.background.workers import WorkerPool
from issuer.composition import UnitOfWork
from issuer.composition.composition import WebParts
from issuer.directory import UserRecord
from issuer.errors import TooManyRequests
from issuer.fields.secret_text import CHARACTERS, random_characters
from issuer.http.cookies import BROWSER, SESSION, SIGNED_OUT, Cookies
from issuer.http.requests import parameters, receive_body, see_other
from issuer.languages import _
from issuer.rate_limits.limits import RateLimits
from issuer.scopes import counts_here
from issuer.sign_in.sessions_store import FRESH_FOR, SignInSession
from issuer.telemetry.metrics import Metrics
from issuer.web.kept_forms import KeptForms
from issuer.web.rendering import Pages
from issuer.web.sign_in_checks import SignInChecks
from issuer.web.views import Form, ProblemPage
from issuer.web.visit import Csrf, Refusal, Visit, named_page, named_request

_BROWSER = re.compile(rf"[A-Za-z0-9]{{{CHARACTERS}}}")
_FORBIDDEN = 403
_TOO_MANY_REQUESTS = 429  # RFC 6585 §4


@dataclass(frozen=True)
class Site:
    """What every page uses."""

    parts: WebParts
    pages: Pages
    cookies: Cookies
    csrf: Csrf
    checks: SignInChecks
    queries: WorkerPool
    plans: WorkerPool
    metrics: Metrics
    limits: RateLimits

    @property
    def base(self) -> str:
        return self.parts.settings.base_path

    @property
    def kept_forms(self) -> KeptForms:
        return KeptForms(self.cookies, self.parts.kept_forms, self.parts.clock)

    def visit(self, request: Request) -> Visit:
        query = parameters(request.scope["query_string"])
        browser = self.cookies.value(request, BROWSER) or ""
        if is_new := not _BROWSER.fullmatch(browser):
            browser = random_characters(self.parts.random)
        return Visit(request, browser, is_new, query, named_request(query), named_page(query))

    def form(self, visit: Visit, purpose: str) -> Form:
        token = self.csrf.token(visit.browser, purpose)
        return Form(token, visit.request_id, visit.next)

    def session_cookie(self, visit: Visit) -> str | None:
        return self.cookies.value(visit.request, SESSION)

    def is_fresh(self, session: SignInSession, within: timedelta = FRESH_FOR) -> bool:
        """Whether the sign-in is that recent; by default as it must be to change how one does."""
        user = self.parts.directory.load_user(session.user_id)
        return user is not None and session.is_fresh(user, self.parts.clock(), within)

    def scopes_here(self, user: UserRecord) -> frozenset[str]:
        """The scopes that the user holds at the issuer itself."""
        return user.rights.at(self.parts.directory.load_audience(self.parts.settings.url))

    def opens_console(self, user: UserRecord | None) -> bool:
        return user is not None and counts_here(self.scopes_here(user))

    def session(self, visit: Visit) -> SignInSession | None:
        cookie = self.session_cookie(visit)
        return self.parts.sessions.find(cookie) if cookie else None

    def session_of_browser(self, visit: Visit) -> SignInSession | None:
        """The session, even if it waits for its second factor, and then opens nothing else."""
        cookie = self.session_cookie(visit)
        return self.parts.sessions.of_browser(cookie) if cookie else None

    @contextmanager
    def changing(self, session: SignInSession, visit: Visit) -> Iterator[UnitOfWork]:
        """A unit of work of the user of the session; `InvalidCredentials` if that has ended.

        Looked up again inside: changes wait for each other, and one of them may have ended it.
        """
        actor = visit.actor.known_as(session.user_id)
        with self.parts.administration.changing(actor) as work:
            work.sessions.require(session)
            yield work

    def sign_in(self, response: Response, cookie: str) -> Response:
        """The answer to a sign-in: a new session, and nothing that was known before it."""
        longest = self.parts.sessions.lifetimes.longest
        self.cookies.set(response, SESSION, cookie, longest)
        self.cookies.delete(response, SIGNED_OUT)
        return self.with_new_browser(response)

    def sign_out(self, response: Response) -> Response:
        self.cookies.sign_out(response)
        return self.with_new_browser(response)

    def with_new_browser(self, response: Response) -> Response:
        """Every form that the browser has open becomes stale."""
        self.cookies.set(response, BROWSER, random_characters(self.parts.random))
        return response

    def url(self, path: str, **query: str) -> str:
        """The URL of a page of ours, without scheme and host; empty parameters are left out."""
        given = {name: value for name, value in query.items() if value}
        return f"{self.base}{path}{'?' if given else ''}{urlencode(given)}"

    def to(self, path: str, **query: str) -> Response:
        """A redirect to a page of ours."""
        return see_other(self.url(path, **query))


class PageEndpoint:
    """GET shows a page and changes nothing; POST does one thing and redirects.

    Three exceptions: a GET about an authorization request where nothing is left to ask makes a
    code, by a GET a browser comes back from a trusted issuer, and a form that had to wait for a
    sign-in goes on by the GET after it. Everything but the event loop's part runs in a worker
    thread: pages need the database.
    """

    PATH: str
    PAGE: str = ""  # the path of the page whose forms it takes, if that is another one
    IS_TRANSLATED = True  # else in English, whatever the browser asks for

    def __init__(self, site: Site) -> None:
        self.site = site
        self.parts = site.parts
        self.workers = site.queries  # whose threads show the page

    async def __call__(self, request: Request) -> Response:
        visit = self.site.visit(request)
        if request.method == "POST":
            form = await self.receive(request)
            visit = replace(visit, request_id=named_request(form), next=named_page(form))
            self.choose_language(visit)
            response = await self._post(visit, form)
        else:
            self.choose_language(visit)
            response = await self.present(visit)
        if visit.is_new:
            self.site.cookies.set(response, BROWSER, visit.browser)
        return response

    def choose_language(self, visit: Visit) -> None:
        """Something may know better than the browser which language the person reads."""

    async def present(self, visit: Visit) -> Response:
        """Answer a GET."""
        return await self.workers.run(self.show, visit)

    async def receive(self, request: Request) -> dict[str, str]:
        return parameters(await receive_body(request))

    async def submit(self, visit: Visit, form: Mapping[str, str]) -> Response:
        """Do what a form that counts asks for."""
        return await self.site.queries.run(self.change, visit, form)

    def show(self, visit: Visit) -> Response:
        raise NotImplementedError

    def change(self, visit: Visit, form: Mapping[str, str]) -> Response:
        raise NotImplementedError

    def purpose(self, visit: Visit) -> str:
        """What a form of this page is for, and for nothing else."""
        return f"{self.PAGE or self.PATH} {visit.request_id} {visit.next}"

    async def too_many(self, error: TooManyRequests, show: Callable[[int], Response]) -> Response:
        """What `show` gives for the status 429."""
        response = await self.site.queries.run(show, _TOO_MANY_REQUESTS)
        response.headers["Retry-After"] = str(error.retry_after)
        return response

    def path(self, visit: Visit) -> str:
        """Where the page of this visit is."""
        return self.PAGE or self.PATH

    def form(self, visit: Visit) -> Form:
        return self.site.form(visit, self.purpose(visit))

    def stale(self, visit: Visit, form: Mapping[str, str]) -> Response:
        """A form of an earlier sign-in, or of another tab: show the page again."""
        return self.site.to(self.path(visit), request=visit.request_id, next=visit.next)

    async def _post(self, visit: Visit, form: Mapping[str, str]) -> Response:
        refusal = self.site.csrf.refusal(visit, form, self.purpose(visit))
        if refusal is None:
            return await self.submit(visit, form)
        if refusal is Refusal.STALE:
            return await self.site.queries.run(self.stale, visit, form)
        return self.refuse(visit, refusal)

    def refuse(self, visit: Visit, refusal: Refusal) -> Response:
        again = self.site.url(self.path(visit), request=visit.request_id, next=visit.next)
        if refusal is Refusal.NO_COOKIES:
            problem = ProblemPage(
                heading=_("This browser keeps no cookies"),
                sentence=_(
                    "Signing in needs one. Allow cookies for this site, then open the page again."
                    " Nothing was changed."
                ),
            )
        else:
            problem = ProblemPage(
                heading=_("This form came from another site"),
                sentence=_(
                    "Nothing was changed. If you opened this page yourself, open it at %(url)s"
                    " instead.",
                    url=self.parts.settings.url,
                ),
            )
        url = f"{self.parts.settings.url}{again.removeprefix(self.site.base)}"
        problem = replace(problem, way_back=url, way_back_says=_("Open the page again"))
        return self.site.pages.problem(problem, _FORBIDDEN)
