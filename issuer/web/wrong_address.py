"""Addresses that no page has: a page for browsers, and what the console never looks up."""

from collections.abc import Callable
from unicodedata import category
from urllib.parse import unquote_to_bytes

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from issuer.languages import N_, _
from issuer.web.console.screens.answers import PATH
from issuer.web.rendering import Pages
from issuer.web.views import ProblemPage

_BAD_REQUEST, _NOT_FOUND = 400, 404
_DOT_SEGMENTS = {".", ".."}
_MISSING = (
    N_("There is no page here"),
    N_("The address may be mistyped, or what was here was deleted."),
)
_UNREADABLE = ("This address cannot be read", "It has characters that no address here has.")


def not_found_page(pages: Pages, base: str) -> Callable[[Request], Response | None]:
    """The answer to a wrong address; None for a caller that does not ask for HTML."""

    def answer(request: Request) -> Response | None:
        if "text/html" not in request.headers.get("accept", "").lower():
            return None
        pages.choose_language(is_translated=not _is_console(base, request.url.path))
        return pages.problem(_page(base, request.url.path, *_MISSING), _NOT_FOUND)

    return answer


class ReadablePaths:
    """Answers 400 where the path is not UTF-8, or has control characters or encoded dot segments.

    Servers decode such paths in different ways, and databases refuse some of them.
    """

    def __init__(self, app: ASGIApp, pages: Pages, base: str) -> None:
        self._app = app
        self._pages = pages
        self._base = base

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app = self._app
        if not all(map(_is_readable, scope.get("raw_path", b"").split(b"/"))):
            page = _page(self._base, scope["path"], *_UNREADABLE)
            app = self._pages.problem(page, _BAD_REQUEST)
        await app(scope, receive, send)


def _is_readable(segment: bytes) -> bool:
    try:
        text = unquote_to_bytes(segment).decode()
    except UnicodeDecodeError:
        return False
    return text not in _DOT_SEGMENTS and not any(category(each) == "Cc" for each in text)


def _page(base: str, path: str, heading: str, sentence: str) -> ProblemPage:
    is_console = _is_console(base, path)
    return ProblemPage(
        heading=heading,
        sentence=sentence,
        way_back=base + (PATH if is_console else "/"),
        way_back_says="To the console" if is_console else _("To the first page"),
    )


def _is_console(base: str, path: str) -> bool:
    return f"{path}/".startswith(f"{base}{PATH}/")
