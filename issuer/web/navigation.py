"""From a step of the authorization flow to the page or redirect for it."""

from collections.abc import Callable
from urllib.parse import urlsplit

from starlette.responses import Response

from issuer.http.cookies import AUTHORIZATION_REQUEST
from issuer.http.requests import see_other
from issuer.languages import _, speak
from issuer.sign_in.authorization_request import (
    AuthorizationRequest,
    ConsentNeeded,
    NextStep,
    Redirection,
    RequestProblem,
    SignInNeeded,
)
from issuer.sign_in.sessions_store import SignInSession
from issuer.telemetry.logs import get_logger, note_client
from issuer.web.rendering import Pages
from issuer.web.site import PageEndpoint
from issuer.web.views import ProblemPage
from issuer.web.visit import Visit

log = get_logger(__name__)


class FlowEndpoint(PageEndpoint):
    """A page that may be about an authorization request, and goes where its next step is."""

    def open_request(self, visit: Visit) -> AuthorizationRequest | None:
        """The request that the browser keeps; None if the visit is about none, or it is gone.

        Gone is one that is finished or expired, or belongs to another browser.
        """
        if not visit.request_id:
            return None
        request = self.parts.requests.open_kept(
            visit.request_id,
            lambda name: self.site.cookies.value(visit.request, AUTHORIZATION_REQUEST + name),
        )
        if request is not None:
            note_client(request.client_id)
        return request

    def choose_language(self, visit: Visit) -> None:
        request = self.open_request(visit)
        if request is not None and request.ui_locale is not None:
            speak(request.ui_locale)

    def next_step(
        self, visit: Visit, request: AuthorizationRequest, session: SignInSession | None
    ) -> NextStep:
        return self.parts.flow.next_step(request, session, visit.actor)

    def go(self, visit: Visit, step: NextStep) -> Response:
        """The page for the step, or back to the application."""
        match step:
            case SignInNeeded():
                return self.site.to("/sign-in", request=visit.request_id)
            case ConsentNeeded():
                return self.site.to("/consent", request=visit.request_id)
            case RequestProblem():
                log.info("authorization_refused", error=step.error, reason=step.sentence)
                self.site.metrics.authorization_answered(step.error)
                return request_problem(self.site.pages, step)
            case Redirection():
                self.site.metrics.authorization_answered(step.error)
                if step.error:
                    log.info("authorization_refused", error=step.error)
                response = see_other(step.url)
                request_id = visit.request_id.partition(".")[0]
                self.site.cookies.delete(response, AUTHORIZATION_REQUEST + request_id)
                return response

    def after_sign_in(self, visit: Visit, session: SignInSession) -> Response:
        """Where somebody goes who has just signed in."""
        request = self.open_request(visit)
        if request is not None:
            return self.go(visit, self.next_step(visit, request, session))
        return self.request_gone() if visit.request_id else self.site.to(visit.next or "/account")

    def request_gone(self) -> Response:
        page = ProblemPage(
            heading=_("There is nothing to continue here"),
            sentence=_(
                "This sign-in was completed, is too old, or was started in another browser. Go back"
                " to the application and start again."
            ),
            way_back=f"{self.site.base}/",
            way_back_says=_("To the first page"),
        )
        return self.site.pages.problem(page)


def problem_page(pages: Pages, base: str) -> Callable[[RequestProblem, bool], Response]:
    """What the protocol endpoints answer a browser with that they cannot redirect."""

    def answer(problem: RequestProblem, signs_out: bool) -> Response:
        pages.choose_language()
        if not signs_out:
            return request_problem(pages, problem)
        # Nobody was signed out, which a person can still do without the application.
        heading = _("This application cannot sign you out")
        return _problem(pages, problem, heading, f"{base}/sign-out", _("Sign out here"))

    return answer


def request_problem(pages: Pages, problem: RequestProblem) -> Response:
    """The page for an error that no redirect can be trusted with."""
    host = urlsplit(problem.return_to).netloc if problem.return_to else ""
    says = _("Back to %(host)s", host=host) if host else _("Back to the application")
    heading = _("This application cannot sign you in")
    return _problem(pages, problem, heading, problem.return_to or "", says)


def _problem(
    pages: Pages, problem: RequestProblem, heading: str, way_back: str, way_back_says: str
) -> Response:
    page = ProblemPage(
        heading=heading,
        sentence=problem.sentence,
        way_back=way_back,
        way_back_says=way_back_says,
        parameter=problem.parameter,
        given=problem.given,
        registered=problem.registered,
        section=problem.section,
    )
    return pages.problem(page, problem.status)
