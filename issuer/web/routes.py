"""Routes of the pages, under the path of `ISSUER_URL`."""

from dataclasses import dataclass
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from issuer.background.workers import WorkerPool
from issuer.composition.composition import WebParts
from issuer.http.cookies import Cookies
from issuer.rate_limits import PasswordPool
from issuer.telemetry.metrics import Metrics
from issuer.web.account import AccountEndpoint, EndSessionEndpoint, WithdrawConsentEndpoint
from issuer.web.assets import asset
from issuer.web.consent import ConsentEndpoint
from issuer.web.console.routes import console_endpoints
from issuer.web.endpoint import Handler, with_error_pages
from issuer.web.factors import (
    AuthenticatorEndpoint,
    PasskeyEndpoint,
    RecoveryCodesEndpoint,
    RemoveFactorEndpoint,
)
from issuer.web.invitation import InvitationEndpoint
from issuer.web.navigation import Navigation
from issuer.web.passkeys import (
    AsksForPasskey,
    FirstPasskeyEndpoint,
    OptionsEndpoint,
    PasskeyInvitationEndpoint,
    PasskeySecondFactorEndpoint,
    PasskeySignInEndpoint,
    RegisterPasskeyEndpoint,
)
from issuer.web.password import PasswordEndpoint
from issuer.web.rendering import Pages
from issuer.web.second_factor import FirstFactorEndpoint, SecondFactorEndpoint
from issuer.web.sessions import SessionStarter, SignOutEndpoint
from issuer.web.sign_in import SignInEndpoint
from issuer.web.sign_in_checks import SignInChecks
from issuer.web.site import PageEndpoint, Site
from issuer.web.views import WebPage
from issuer.web.visit import Csrf
from issuer.web.wrong_address import HomeEndpoint

PATH, ASSETS = "/docs", "/docs-assets"


@dataclass(frozen=True, kw_only=True)
class ApiDocsPage(WebPage):
    TEMPLATE = "api_docs.html"
    SCRIPT = "api_docs.js"
    HAS_DATA_IMAGES = True  # in the style sheet of Swagger UI
    title = "API"


def api_docs_routes(pages: Pages, base: str) -> list[BaseRoute]:
    """The page, and the files of Swagger UI: an issuer may have no internet access."""

    async def page(_: Request) -> Response:
        return pages.answer(ApiDocsPage())

    directory = files("fastapi_offline") / "static"
    return [
        Route(base + PATH, page, methods=["GET"]),
        Mount(base + ASSETS, StaticFiles(directory=str(directory))),
    ]


def web_routes(
    parts: WebParts,
    pages: Pages,
    queries: WorkerPool,
    passwords: PasswordPool,
    plans: WorkerPool,
    metrics: Metrics,
) -> list[Route]:
    """Every page and the files that pages use."""
    settings, audit = parts.settings, parts.audit
    site = Site(
        parts,
        pages,
        Cookies(settings.url),
        Csrf(parts.anti_forgery_key, settings.url),
        SignInChecks(passwords, audit.writer, audit.refusals, parts.clock, metrics),
        queries,
        plans,
        metrics,
    )
    navigation = Navigation(site)
    beginning = SessionStarter(site, navigation)
    with_passkeys: list[AsksForPasskey] = [
        PasskeySignInEndpoint(site, navigation, beginning),
        PasskeySecondFactorEndpoint(site, navigation),
        FirstPasskeyEndpoint(site, navigation),
        RegisterPasskeyEndpoint(site),
        PasskeyInvitationEndpoint(site, beginning),
    ]
    endpoints: list[PageEndpoint] = [
        HomeEndpoint(site),
        SignInEndpoint(site, navigation, beginning),
        SecondFactorEndpoint(site, navigation),
        FirstFactorEndpoint(site, navigation),
        InvitationEndpoint(site, beginning),
        ConsentEndpoint(site, navigation),
        SignOutEndpoint(site),
        AccountEndpoint(site),
        PasswordEndpoint(site),
        EndSessionEndpoint(site),
        WithdrawConsentEndpoint(site),
        AuthenticatorEndpoint(site),
        PasskeyEndpoint(site),
        RemoveFactorEndpoint(site),
        RecoveryCodesEndpoint(site),
        *with_passkeys,
        *(OptionsEndpoint(site, each) for each in with_passkeys),
        *console_endpoints(site),
    ]
    base = settings.base_path
    return [
        *(_route(base + each.PATH, with_error_pages(pages, each)) for each in endpoints),
        *([_route(base, with_error_pages(pages, endpoints[0]))] if base else []),
        Route(f"{base}/assets/{{digest}}/{{name}}", asset),
    ]


def _route(path: str, handler: Handler) -> Route:
    async def endpoint(request: Request) -> Response:
        return await handler(request)

    return Route(path, endpoint, methods=["GET", "POST"])
