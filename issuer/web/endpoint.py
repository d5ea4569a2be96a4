"""What every page does: answers errors with a page, never with a stack trace or bare JSON."""

from collections.abc import Awaitable, Callable
from typing import TypeAlias

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from issuer.errors import (
    AlreadyExists,
    InvalidCredentials,
    InvalidField,
    IssuerError,
    NotAllowed,
    NotFound,
    Unavailable,
)
from issuer.http.requests import InvalidForm
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
        except (AlreadyExists, InvalidCredentials, InvalidField, NotAllowed, NotFound) as error:
            log.info("page_refused", reason=str(error))
            return pages.problem(_not_finished(request, error))
        except Unavailable as error:
            log.warning("page_unavailable", reason=str(error))
            response = pages.problem(_UNAVAILABLE, 503)
            response.headers["Retry-After"] = str(error.retry_after)
            return response
        except Exception:
            log.exception("unexpected_error")
            return pages.problem(_UNFORESEEN, 500)

    return answer


def _not_finished(request: Request, error: IssuerError) -> ProblemPage:
    """What was asked for is not possible, mostly since something else changed meanwhile."""
    is_told = isinstance(error, NotAllowed | AlreadyExists)
    return ProblemPage(
        heading="This could not be finished",
        sentence=str(error) if is_told else "Something changed while the page was open.",
        way_back=request.scope["path"],
        way_back_says="Open the page again",
    )


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
