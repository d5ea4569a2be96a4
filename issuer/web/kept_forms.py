"""Forms that wait while their person signs in again."""

import json
from collections.abc import Mapping
from datetime import timedelta

from starlette.requests import Request
from starlette.responses import Response

from issuer.clock import Clock
from issuer.http.cookies import Cookies
from issuer.keys.sealing import SealedTexts

_FORM = "again"
_FORM_KEPT = timedelta(minutes=10)
_MAX_FORM = 3_500  # browsers keep cookies of up to 4,096
_OF_THE_PAGE = {"form", "request", "next"}


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
