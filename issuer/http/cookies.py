"""The cookies of people's browsers: which names and attributes they have."""

from collections.abc import Callable
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from issuer.http.requests import values_of

BROWSER = "browser"
SESSION = "session"
AUTHORIZATION_REQUEST = "request-"  # and its id
LOGOUT_REQUEST = "logout-"  # and its id
PROVIDER_REQUEST = "provider-"  # and its id
LANGUAGE = "language"  # that the person chose on a page
SIGNED_OUT = "signed-out"  # for ten minutes, nobody is signed in again without asking for it
_SIGNED_OUT_FOR = timedelta(minutes=10)
_REQUESTS = (AUTHORIZATION_REQUEST, LOGOUT_REQUEST, PROVIDER_REQUEST)
_HOST, _LOOPBACK = "__Host-", "issuer-"
_MAX_COOKIES = 100
_MAX_REQUESTS = 5  # in one browser, such as in several tabs
_MAX_BYTES = 6_000  # of their cookies: many servers and proxies accept headers of 8 KB


class Cookies:
    """Sets and reads cookies by a short name.

    With `https` the name has the prefix `__Host-`: no other host and no plain connection can set
    such a cookie (RFC 6265bis §4.1.3.2). Browsers refuse it over `http`, so on loopback it has
    another prefix, and is not `Secure`. Applications on other ports share these cookies, and many
    call their own `session`.
    """

    def __init__(self, issuer_url: str) -> None:
        self._is_secure = urlsplit(issuer_url).scheme == "https"
        self._prefix = _HOST if self._is_secure else _LOOPBACK

    def name(self, short: str) -> str:
        return self._prefix + short

    def _size(self, short: str, value: str) -> int:
        return len(f"{self.name(short)}={value}; ")

    def value(self, request: Request, short: str) -> str | None:
        """The value; None if there is none, or several that differ."""
        return self.all(request).get(short)

    def all(self, request: Request) -> dict[str, str]:
        """Every cookie of ours that the browser sent, by its short name; no ambiguous one."""
        values: dict[str, set[str]] = {}
        for line in values_of(request.scope["headers"], b"cookie"):
            for pair in line.decode("latin-1").split(";")[:_MAX_COOKIES]:
                name, _, value = pair.strip().partition("=")
                if name.startswith(self._prefix):
                    values.setdefault(name.removeprefix(self._prefix), set()).add(value)
        return {name: next(iter(found)) for name, found in values.items() if len(found) == 1}

    def keep_request(
        self,
        request: Request,
        response: Response,
        new: str,
        text: str,
        began_at: Callable[[str, str], datetime | None],
        max_age: timedelta,
    ) -> None:
        """Set the cookie of a `new` request, in place of those that the browser needs no more.

        Those have expired, or are the oldest of too many. `began_at` gets name and value of each
        cookie of a request: when it began, or None if it has expired.
        """
        kept = []
        for short, value in self.all(request).items():
            if short == new or not short.startswith(_REQUESTS):
                continue
            if (began := began_at(short, value)) is None:
                self.delete(response, short)
            else:
                kept.append((began, short, value))
        number, size = 1, self._size(new, text)
        for _, short, value in sorted(kept, reverse=True):
            number, size = number + 1, size + self._size(short, value)
            if number > _MAX_REQUESTS or size > _MAX_BYTES:
                self.delete(response, short)
        self.set(response, new, text, max_age)

    def set(
        self, response: Response, short: str, value: str, max_age: timedelta | None = None
    ) -> None:
        """Without `max_age` the cookie ends with the browser."""
        response.set_cookie(
            self.name(short),
            value,
            max_age=None if max_age is None else int(max_age.total_seconds()),
            path="/",
            secure=self._is_secure,
            httponly=True,
            samesite="lax",
        )

    def delete(self, response: Response, short: str) -> None:
        self.set(response, short, "", timedelta(0))

    def sign_out(self, response: Response) -> None:
        """Delete the cookie of the session, and keep that somebody signed out."""
        self.delete(response, SESSION)
        self.set(response, SIGNED_OUT, "1", _SIGNED_OUT_FOR)
