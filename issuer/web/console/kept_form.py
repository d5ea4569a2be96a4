"""What a person sent who had to sign in again first, kept in a cookie until then."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from starlette.requests import Request
from starlette.responses import Response

from issuer.clock import Clock
from issuer.http.cookies import Cookies
from issuer.sign_in.sealed_text import SealedTexts
from issuer.web.console.views import ConfirmationPage, Frame

_COOKIE = "again"
_KEPT = timedelta(minutes=10)
_MAX_CHARACTERS = 3_500  # browsers keep cookies of up to 4,096
_SHOWN = 200  # characters of a field
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
        until = (self._clock() + _KEPT).timestamp()
        sealed = self._sealed.seal(json.dumps([session_id, path, until, fields]))
        if len(sealed) > _MAX_CHARACTERS:
            return None
        self._cookies.set(response, _COOKIE, sealed, _KEPT)
        return response

    def of(self, request: Request, session_id: str, path: str) -> dict[str, str] | None:
        """The fields that were sent to this page in this session."""
        sealed = self._cookies.value(request, _COOKIE)
        if not sealed or (text := self._sealed.open(sealed)) is None:
            return None
        whose, where, until, fields = json.loads(text)
        counts = (whose, where) == (session_id, path) and self._clock().timestamp() < until
        return dict(fields) if counts else None

    def forget(self, response: Response) -> Response:
        self._cookies.delete(response, _COOKIE)
        return response


def go_on_page(frame: Frame, kept: Mapping[str, str]) -> ConfirmationPage:
    """Shows what was sent, and sends it again as it was: with its id, so that it counts once."""
    fields = {name: value for name, value in kept.items() if name != "form_id"}
    facts = {name: fields[name] for name in fields if name not in {"do", "confirmed", "page"}}
    button = (fields.get("do") or "send the form").replace("-", " ").capitalize()
    return ConfirmationPage(
        frame=replace(frame, form=replace(frame.form, once=kept.get("form_id", ""))),
        what=f"{button}?",
        why="This needed a sign-in of the last ten minutes, and nothing was changed yet. You are"
        " signed in again: go on with what you sent?",
        facts={"Page": frame.path}
        | {name.replace("_", " ").capitalize(): _bounded(facts[name]) for name in facts},
        button=button,
        fields=fields,
        is_dangerous=False,
        confirms=False,
    )


def _bounded(text: str) -> str:
    """What is left out is said."""
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}… ({len(text):,} characters)"
