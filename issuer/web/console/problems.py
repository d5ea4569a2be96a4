"""The page for what the domain refuses."""

from issuer.errors import Forbidden, NotAllowed, NotFound
from issuer.sign_in.sent_forms import AlreadySent
from issuer.web.console.menu import PATH
from issuer.web.views import ProblemPage

_ACCOUNT = "/account"
_FORBIDDEN, _NOT_FOUND, _CONFLICT = 403, 404, 409
_AGAIN = (
    "Nothing was done again. A secret or link is shown once, in the first answer: if you did not"
    " see it, make another one and delete the first."
)


class ForAccountPage(NotAllowed):
    """What people change of their own on `/account` alone."""


def problem_of(error: Exception, way_back: str) -> tuple[ProblemPage, int]:
    """The page and its status; `way_back` below the path of the issuer."""
    heading, status, says, then = "This was refused", _CONFLICT, "Go back", "Nothing was changed."
    if isinstance(error, AlreadySent):
        heading, then = "This form was sent already", _AGAIN
    elif isinstance(error, ForAccountPage):
        way_back, says = _ACCOUNT, "Go to your account"
    elif isinstance(error, NotFound):
        heading, status, way_back = "Not found", _NOT_FOUND, PATH
    elif isinstance(error, Forbidden):
        heading, status = "You may not do this", _FORBIDDEN
        way_back = PATH if error.scope else _ACCOUNT
    return ProblemPage(
        heading=heading, sentence=f"{error} {then}", way_back=way_back, way_back_says=says
    ), status
