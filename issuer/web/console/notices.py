"""What was just done, kept in a cookie for the page that is shown next."""

import json
from dataclasses import asdict
from datetime import timedelta

from starlette.requests import Request
from starlette.responses import Response

from issuer.http.cookies import Cookies
from issuer.sign_in.sealed_text import SealedTexts
from issuer.web.console.views import Command, Notice

_COOKIE = "done"
_KEPT = timedelta(minutes=1)
_MAX_CHARACTERS = 2_000


class Notices:
    """Sealed, so that nobody else can put words on a page of ours."""

    def __init__(self, cookies: Cookies, sealed: SealedTexts) -> None:
        self._cookies = cookies
        self._sealed = sealed

    def keep(self, response: Response, notice: Notice) -> Response:
        """Without its command if that is too long for a cookie."""
        text = json.dumps(asdict(notice))
        if len(text) > _MAX_CHARACTERS:
            text = json.dumps(asdict(Notice(notice.text[:_MAX_CHARACTERS])))
        self._cookies.set(response, _COOKIE, self._sealed.seal(text), _KEPT)
        return response

    def of(self, request: Request) -> Notice | None:
        sealed = self._cookies.value(request, _COOKIE)
        if not sealed or (text := self._sealed.open(sealed)) is None:
            return None
        members = json.loads(text)
        command = members["command"]
        return Notice(members["text"], Command(**command) if command else None)

    def forget(self, request: Request, response: Response) -> Response:
        """The answer in which it was shown."""
        if self._cookies.value(request, _COOKIE):
            self._cookies.delete(response, _COOKIE)
        return response
