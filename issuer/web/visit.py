"""A request to a page: its browser, what it is about, and whether its form counts (CSRF)."""

import hmac
import re
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import urlencode

from starlette.requests import Request

from issuer.audit import Actor
from issuer.http.requests import caller
from issuer.settings import origin_of

# An id, and the sealed request where that does not fit into a cookie.
_REQUEST = re.compile(r"[A-Za-z0-9_-]{1,64}(\.[A-Za-z0-9_-]{1,8000})?")
_MAX_NEXT = 2_000
# As `quote` and `urlencode` write paths and queries. Two dots could be a step up in any spelling.
_OWN_PAGE = re.compile(
    r"(?![^?]*(?:\.|%2[Ee]){2})/(?:account|console|device)"
    r"(?:/(?:[A-Za-z0-9._~-]|%[0-9A-Fa-f]{2})+)*"
    r"(?:\?(?:[A-Za-z0-9._~+=&-]|%[0-9A-Fa-f]{2})+)?"
)
TOKEN, REQUEST, NEXT = "form", "request", "next"
_OWN_SITES = {"same-origin", "none"}


@dataclass(frozen=True, slots=True)
class Visit:
    """`browser` is the secret that its cookie holds; it `is_new` if it came without.

    `request_id` names an authorization or logout request that the browser keeps, `next` a page for
    somebody who is signed in, with its query.
    """

    request: Request = field(repr=False)
    browser: str = field(repr=False)
    is_new: bool
    query: Mapping[str, str]
    request_id: str = ""
    next: str = ""

    @property
    def actor(self) -> Actor:
        found, user_agent = caller(self.request), self.request.headers.get("user-agent")
        return Actor(found.id, found.request_id, found.address, user_agent=user_agent)


def named_request(parameters: Mapping[str, str]) -> str:
    text = parameters.get("request", "")
    return text if _REQUEST.fullmatch(text) else ""


def named_page(parameters: Mapping[str, str]) -> str:
    """Only a page for somebody who is signed in: never a URL that somebody else chose."""
    text = parameters.get("next", "")
    return text if _is_own_page(text) else ""


def own_page(path: str, query: Mapping[str, str]) -> str:
    """The page as `next` names it, without its query if that is too long."""
    page = f"{path}?{urlencode(query)}" if query else path
    return page if _is_own_page(page) else path


def _is_own_page(text: str) -> bool:
    return len(text) <= _MAX_NEXT and _OWN_PAGE.fullmatch(text) is not None


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
