"""What answers say: why it was refused, what was done, and a form to go on with after a sign-in."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import timedelta

from starlette.requests import Request
from starlette.responses import Response

from issuer.clock import Clock
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
_FORM = "again"
_FORM_KEPT = timedelta(minutes=10)
_MAX_FORM = 3_500  # browsers keep cookies of up to 4,096
_OF_THE_PAGE = {"form", "request", "next"}


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


class KeptForms:
    """Keeps a form sealed, for one session and one page. Only the issuer can read or make one.

    A session goes on when its person signs in again, and ends when they sign out.
    """

    def __init__(self, cookies: Cookies, sealed: SealedTexts, clock: Clock) -> None:
        self._cookies = cookies
        self._sealed = sealed
        self._clock = clock

    def keep(
        self, response: Response, session_id: str, path: str, form: Mapping[str, str]
    ) -> Response | None:
        """`response` with the form; None if it is too large for a cookie."""
        fields = {name: value for name, value in form.items() if name not in _OF_THE_PAGE}
        until = (self._clock() + _FORM_KEPT).timestamp()
        sealed = self._sealed.seal(json.dumps([session_id, path, until, fields]))
        if len(sealed) > _MAX_FORM:
            return None
        self._cookies.set(response, _FORM, sealed, _FORM_KEPT)
        return response

    def of(self, request: Request, session_id: str, path: str) -> dict[str, str] | None:
        """The fields that were sent to this page in this session."""
        sealed = self._cookies.value(request, _FORM)
        if not sealed or (text := self._sealed.open(sealed)) is None:
            return None
        whose, where, until, fields = json.loads(text)
        counts = (whose, where) == (session_id, path) and self._clock().timestamp() < until
        return dict(fields) if counts else None

    def forget(self, response: Response) -> Response:
        self._cookies.delete(response, _FORM)
        return response
