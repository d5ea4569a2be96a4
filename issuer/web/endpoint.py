"""What every page does: answers errors with a page, never with a stack trace or bare JSON."""

from collections.abc import Awaitable, Callable
from typing import TypeAlias

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from issuer.errors import Unavailable
from issuer.http_forms import InvalidForm
from issuer.web.rendering import Pages
from issuer.web.views import ProblemPage

Handler: TypeAlias = Callable[[Request], Awaitable[Response]]

log = structlog.get_logger(__name__)


def with_error_pages(pages: Pages, handler: Handler) -> Handler:
    """`handler`, with a page for each error that it raises."""

    async def answer(request: Request) -> Response:
        try:
            return await handler(request)
        except ClientDisconnect:
            raise
        except InvalidForm as error:
            log.info("page_refused", reason=str(error))
            return pages.problem(_INVALID, error.status)
        except Unavailable as error:
            log.warning("page_unavailable", reason=str(error))
            response = pages.problem(_UNAVAILABLE, 503)
            response.headers["Retry-After"] = str(error.retry_after)
            return response
        except Exception:
            log.exception("unforeseen")
            return pages.problem(_UNFORESEEN, 500)

    return answer


_INVALID = ProblemPage(
    heading="This form cannot be read",
    sentence="Go back, open the page again, and send the form once more.",
)
_UNAVAILABLE = ProblemPage(
    heading="Not now",
    sentence="This issuer is overloaded, or its database is away. Nothing was changed. Try again"
    " in a moment.",
)
_UNFORESEEN = ProblemPage(
    heading="Something went wrong here",
    sentence="Trying again may help. If it does not, tell whoever runs this"
    " issuer the number below.",
)
