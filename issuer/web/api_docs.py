"""`/docs`: the OpenAPI description, to read and to try, by Swagger UI."""

from dataclasses import dataclass
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from issuer.web.rendering import Pages
from issuer.web.views import WebPage

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
