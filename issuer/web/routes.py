"""Routes of the pages, under the path of `ISSUER_URL`."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from issuer.clock import Clock
from issuer.settings import Settings
from issuer.web.assets import asset
from issuer.web.endpoint import with_error_pages
from issuer.web.rendering import Pages
from issuer.web.views import HomePage


def web_routes(settings: Settings, clock: Clock) -> list[Route]:
    """Every page and the files that pages use."""
    pages, base = Pages(settings, clock), settings.base_path

    async def home(_: Request) -> Response:
        return pages.answer(HomePage())

    return [
        Route(f"{base}/", with_error_pages(pages, home)),
        Route(f"{base}/assets/{{digest}}/{{name}}", asset),
    ]
