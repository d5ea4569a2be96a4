"""What answers of the console say: why it was refused, and what was done."""

import json
from dataclasses import asdict
from datetime import timedelta

from starlette.requests import Request
from starlette.responses import Response

from issuer.errors import Forbidden, NotAllowed, NotFound
from issuer.http.cookies import Cookies
from issuer.keys.sealing import SealedTexts
from issuer.languages import _
from issuer.resources import Command
from issuer.sign_in.sessions import AlreadySent
from issuer.web.console.screens.views import Notice
from issuer.web.views import ProblemPage

PATH = "/console"
_ACCOUNT = "/account"
_FORBIDDEN, _NOT_FOUND, _CONFLICT = 403, 404, 409
_AGAIN = (
    "Nothing was done again. A secret or link is shown once, in the first answer: if you did not"
    " see it, make another one and delete the first."
)
_NOTICE = "done"
_NOTICE_KEPT = timedelta(minutes=1)
_MAX_NOTICE = 2_000


class ForAccountPage(NotAllowed):
    """What people change of their own on `/account` alone."""


class NotAdministrator(Forbidden):
    """Somebody without any scope of this issuer opened the console. Told in their language."""

    def __init__(self, username: str) -> None:
        super().__init__(None)
        self.username = username


def problem_of(error: Exception, way_back: str) -> tuple[ProblemPage, int]:
    """The page and its status; `way_back` below the path of the issuer."""
    heading, status, says, then = "This was refused", _CONFLICT, "Go back", "Nothing was changed."
    if isinstance(error, NotAdministrator):
        return ProblemPage(
            heading=_("The console is for administrators"),
            sentence=_(
                "You are signed in as %(name)s, who has no rights at this issuer itself. Your"
                " account page shows how and where you sign in, and which applications act for you."
                " If you should administer something, ask whoever runs this issuer.",
                name=error.username,
            ),
            way_back=_ACCOUNT,
            way_back_says=_("To your account"),
            leaves_by="/sign-in?switch=1&next=%2Fconsole",
            leaves_says=_("Sign in as somebody else"),
        ), _FORBIDDEN
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


class Notices:
    """Sealed, so that nobody else can put words on a page of ours."""

    def __init__(self, cookies: Cookies, sealed: SealedTexts) -> None:
        self._cookies = cookies
        self._sealed = sealed

    def keep(self, response: Response, notice: Notice) -> Response:
        """Without its command if that is too long for a cookie."""
        text = json.dumps(asdict(notice))
        if len(text) > _MAX_NOTICE:
            text = json.dumps(asdict(Notice(notice.text[:_MAX_NOTICE])))
        self._cookies.set(response, _NOTICE, self._sealed.seal(text), _NOTICE_KEPT)
        return response

    def of(self, request: Request) -> Notice | None:
        sealed = self._cookies.value(request, _NOTICE)
        if not sealed or (text := self._sealed.open(sealed)) is None:
            return None
        members = json.loads(text)
        try:
            command = Command(**members["command"]) if members["command"] else None
        except TypeError:  # of an earlier version
            command = None
        return Notice(members["text"], command)

    def forget(self, request: Request, response: Response) -> Response:
        """The answer in which it was shown."""
        if self._cookies.value(request, _NOTICE):
            self._cookies.delete(response, _NOTICE)
        return response
