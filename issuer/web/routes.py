"""Routes of the pages, under the path of `ISSUER_URL`."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from importlib.resources import files
from typing import TypeAlias

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from issuer.background.workers import WorkerPool
from issuer.composition.composition import WebParts
from issuer.errors import (
    AlreadyExists,
    InvalidCredentials,
    InvalidField,
    IssuerError,
    NotAllowed,
    NotFound,
    Unavailable,
)
from issuer.http.cookies import Cookies
from issuer.http.requests import InvalidForm
from issuer.http.streaming import StreamedText
from issuer.languages import N_, _
from issuer.rate_limits.limits import RateLimits
from issuer.rate_limits.password_pool import PasswordPool
from issuer.telemetry.logs import get_logger
from issuer.telemetry.metrics import Metrics
from issuer.web import (
    account,
    consent,
    device,
    factors,
    identities,
    invitation,
    passkeys,
    password,
    password_reset,
    profile,
    provider_callback,
    providers,
    second_factor,
    sessions,
    sign_in,
)
from issuer.web.console.routes import console_endpoints
from issuer.web.rendering import Pages
from issuer.web.sign_in_checks import SignInChecks
from issuer.web.site import PageEndpoint, Site
from issuer.web.views import HomePage, ProblemPage, WebPage
from issuer.web.visit import Csrf, Visit

Handler: TypeAlias = Callable[[Request], Awaitable[Response]]

log = get_logger(__name__)
PATH, ASSETS = "/docs", "/docs-assets"
_INVALID = ProblemPage(
    heading=N_("This form cannot be read"),
    sentence=N_("Go back, open the page again, and send the form once more."),
)
_UNAVAILABLE = ProblemPage(
    heading=N_("Not now"),
    sentence=N_(
        "This issuer is overloaded, or its database is away. Nothing was changed. Try again in a"
        " moment."
    ),
)
_UNFORESEEN = ProblemPage(
    heading=N_("Something went wrong here"),
    sentence=N_(
        "Trying again may help. If it does not, tell whoever runs this issuer the number below."
    ),
)


def with_error_pages(pages: Pages, handler: PageEndpoint) -> Handler:
    """`handler` in a language of the browser, with a page for each error that it raises."""

    async def answer(request: Request) -> Response:
        pages.choose_language(is_translated=handler.IS_TRANSLATED)
        try:
            response = await handler(request)
            if isinstance(response, StreamedText):
                await response.begin()  # what is wrong by then has a page
        except ClientDisconnect:
            raise
        except InvalidForm as error:
            log.info("page_refused", reason=str(error))
            return pages.problem(_opened_again(request, _INVALID), error.status)
        except (AlreadyExists, InvalidCredentials, InvalidField, NotAllowed, NotFound) as error:
            log.info("page_refused", reason=str(error))
            return pages.problem(_not_finished(request, error))
        except Unavailable as error:
            log.warning("page_unavailable", reason=str(error))
            response = pages.problem(_opened_again(request, _UNAVAILABLE), 503)
            response.headers["Retry-After"] = str(error.retry_after)
            return response
        except Exception:
            log.exception("unexpected_error")
            return pages.problem(_opened_again(request, _UNFORESEEN), 500)
        else:
            return response

    return answer


def _not_finished(request: Request, error: IssuerError) -> ProblemPage:
    """What was asked for is not possible, mostly since something else changed meanwhile."""
    is_told = isinstance(error, NotAllowed | AlreadyExists)
    sentence = str(error) if is_told else _("Something changed while the page was open.")
    page = ProblemPage(heading=_("This could not be finished"), sentence=sentence)
    return _opened_again(request, page)


def _opened_again(request: Request, problem: ProblemPage) -> ProblemPage:
    """The problem, with a way back to the page itself; a form that was sent is not sent again."""
    query = f"?{request.url.query}" if request.method == "GET" and request.url.query else ""
    url = f"{request.scope['path']}{query}"
    return replace(problem, way_back=url, way_back_says=_("Open the page again"))


class HomeEndpoint(PageEndpoint):
    PATH = "/"

    def show(self, visit: Visit) -> Response:
        session = self.site.session(visit)
        user = self.parts.directory.load_user(session.user_id) if session else None
        name = user.username if user else ""
        page = HomePage(user=name, opens_console=self.site.opens_console(user))
        return self.site.pages.answer(page)


@dataclass(frozen=True, kw_only=True)
class ApiDocsPage(WebPage):
    TEMPLATE = "api_docs.html"
    SCRIPT = "api_docs.js"
    HAS_DATA_IMAGES = True  # in the style sheet of Swagger UI
    HEADING = "API"


def api_docs_routes(pages: Pages, base: str) -> list[BaseRoute]:
    """The page, and the files of Swagger UI: an issuer may have no internet access."""

    async def page(_: Request) -> Response:
        return pages.answer(ApiDocsPage())

    directory = files("fastapi_offline") / "static"
    return [
        Route(base + PATH, page, methods=["GET"]),
        Mount(base + ASSETS, StaticFiles(directory=str(directory))),
    ]


ENDPOINTS: tuple[type[PageEndpoint], ...] = (
    HomeEndpoint,
    sign_in.SignInEndpoint,
    providers.ElsewhereEndpoint,
    provider_callback.CallbackEndpoint,
    second_factor.SecondFactorEndpoint,
    second_factor.FirstFactorEndpoint,
    invitation.InvitationEndpoint,
    identities.InvitedElsewhereEndpoint,
    consent.ConsentEndpoint,
    device.DeviceEndpoint,
    sessions.SignOutEndpoint,
    account.AccountEndpoint,
    account.SignOutElsewhereEndpoint,
    password.PasswordEndpoint,
    *account.ENDING,
    profile.ProfileEndpoint,
    profile.EmailEndpoint,
    profile.ConfirmEmailEndpoint,
    factors.AuthenticatorEndpoint,
    factors.PasskeyEndpoint,
    factors.RemoveFactorEndpoint,
    factors.RecoveryCodesEndpoint,
    identities.LinkEndpoint,
    identities.TrialEndpoint,
    identities.UnlinkEndpoint,
)
WITH_MAIL: tuple[type[PageEndpoint], ...] = (
    password_reset.PasswordResetEndpoint,
    password_reset.PasswordResetLinkEndpoint,
)
WITH_PASSKEYS: tuple[type[passkeys.AsksForPasskey], ...] = (
    passkeys.PasskeySignInEndpoint,
    passkeys.PasskeySecondFactorEndpoint,
    passkeys.FirstPasskeyEndpoint,
    passkeys.RegisterPasskeyEndpoint,
    passkeys.PasskeyInvitationEndpoint,
)


def web_routes(
    parts: WebParts,
    pages: Pages,
    queries: WorkerPool,
    passwords: PasswordPool,
    plans: WorkerPool,
    metrics: Metrics,
    limits: RateLimits,
) -> list[Route]:
    """Every page and the files that pages use."""
    settings = parts.settings
    site = Site(
        parts,
        pages,
        Cookies(settings.url),
        Csrf(parts.anti_forgery_key, settings.url),
        SignInChecks(passwords, parts.audit_writer, parts.refusals, parts.clock, metrics),
        queries,
        plans,
        metrics,
        limits,
    )
    with_passkeys = [each(site) for each in WITH_PASSKEYS]
    with_mail = WITH_MAIL if settings.smtp_url else ()
    endpoints: list[PageEndpoint] = [
        *(each(site) for each in (*ENDPOINTS, *with_mail)),
        *with_passkeys,
        *(passkeys.OptionsEndpoint(site, each) for each in with_passkeys),
        *console_endpoints(site),
    ]
    base = settings.base_path
    found = [(base + each.PATH, each) for each in endpoints]
    found += [(base, endpoints[0])] if base else []
    return [
        *(Route(p, with_error_pages(pages, each), methods=["GET", "POST"]) for p, each in found),
        Route(f"{base}/assets/{{digest}}/{{name}}", pages.assets.answer),
    ]
