"""Anti-forgery: a form counts only if this browser got it from a page of ours (CSRF)."""

import hmac
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from enum import StrEnum

from starlette.requests import Request

from issuer.settings import origin_of
from issuer.web.visit import Visit

TOKEN, REQUEST, NEXT = "form", "request", "next"
_OWN_SITES = {"same-origin", "none"}


class Refusal(StrEnum):
    """Why a form does not count."""

    FOREIGN = "foreign"
    NO_COOKIES = "no cookies"
    STALE = "stale"


class Csrf:
    """Tokens are HMACs of a secret of the browser and of what the form is for.

    They need no storage, and end when the browser gets a new secret: at sign-in and at `/sign-out`.
    `/oauth2/logout` keeps the secret, and ends the session alone.
    """

    def __init__(self, key: bytes, issuer_url: str) -> None:
        self._key = key
        self._origin = origin_of(issuer_url)

    def token(self, browser: str, purpose: str) -> str:
        """The token of a form for `purpose`, such as its path and the request it is for."""
        digest = hmac.digest(self._key, f"{browser} {purpose}".encode(), "sha256")
        return urlsafe_b64encode(digest).rstrip(b"=").decode()

    def refusal(self, visit: Visit, form: Mapping[str, str], purpose: str) -> Refusal | None:
        """Why the form of this visit does not count; None if it does."""
        if not self._is_from_here(visit.request):
            return Refusal.FOREIGN
        if visit.is_new:
            return Refusal.NO_COOKIES
        expected = self.token(visit.browser, purpose)
        sent = form.get(TOKEN, "")
        if not hmac.compare_digest(sent.encode(), expected.encode()):
            return Refusal.STALE
        return None

    def _is_from_here(self, request: Request) -> bool:
        """By the headers that browsers send and pages cannot set (Fetch Metadata)."""
        origin = request.headers.get("origin", self._origin)
        site = request.headers.get("sec-fetch-site", "same-origin")
        return origin.lower() == self._origin and site in _OWN_SITES
