"""The cookies of people's browsers: which names and attributes they have."""

from datetime import timedelta
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response

from issuer.http.requests import values_of

BROWSER = "browser"
SESSION = "session"
AUTHORIZATION_REQUEST = "request-"  # and its id
LOGOUT_REQUEST = "logout-"  # and its id
_HOST, _LOOPBACK = "__Host-", "issuer-"
_MAX_COOKIES = 100


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

    def size(self, short: str, value: str) -> int:
        """How many bytes the cookie takes in a `Cookie` header."""
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
