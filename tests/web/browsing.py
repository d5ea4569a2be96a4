"""A browser without JavaScript: it keeps cookies, and sends the forms of pages."""

from dataclasses import dataclass
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urlsplit

import httpx

from tests.builders import PASSWORD, URL
from tests.html_forms import FormOnPage, FormsOnPage


@dataclass(frozen=True)
class PageSeen:
    """An answer of the server, as the browser sees it."""

    response: httpx.Response
    issuer: str = URL

    @property
    def status(self) -> int:
        return self.response.status_code

    @property
    def location(self) -> str:
        """Where it redirects to, without the host of the issuer."""
        assert self.status == httpx.codes.SEE_OTHER, self.text
        return self.response.headers["location"].removeprefix(self.issuer)

    @property
    def text(self) -> str:
        """The words of the page."""
        return " ".join(" ".join(FormsOnPage(self.response.text).words).split())

    def form(self, action: str) -> FormOnPage:
        """The form that goes to that path."""
        for each in FormsOnPage(self.response.text).forms:
            if each.action == action:
                return each
        raise AssertionError(f"No form for {action}: {self.text}")


class Browser:
    """Follows no redirect by itself, so that tests see each step."""

    def __init__(self, http: httpx.Client, url: str = URL) -> None:
        self._http = http
        self._url = url
        self.cookies: dict[str, str] = {}

    def get(self, path: str, **parameters: str) -> PageSeen:
        return self._send("GET", path, params=parameters or None)

    def post(
        self, path: str, form: dict[str, str], headers: dict[str, str] | None = None
    ) -> PageSeen:
        origin = {"Origin": self._url, "Sec-Fetch-Site": "same-origin"}
        return self._send("POST", path, data=form, headers={**origin, **(headers or {})})

    def post_raw(self, path: str, body: bytes) -> PageSeen:
        """A form as these bytes."""
        headers = {"Origin": self._url, "Content-Type": "application/x-www-form-urlencoded"}
        return self._send("POST", path, content=body, headers=headers)

    def submit(self, page: PageSeen, action: str, **typed: str) -> PageSeen:
        """Type into the form of a page, and send it."""
        return self.post(action, {**page.form(action).fields, **typed})

    def sign_in(self, username: str = "alice", password: str = PASSWORD) -> PageSeen:
        return self.submit(self.get("/sign-in"), "/sign-in", username=username, password=password)

    def follow(self, page: PageSeen) -> PageSeen:
        """Go where a redirect leads, at the issuer."""
        while page.status == httpx.codes.SEE_OTHER:
            assert page.location.startswith("/"), page.location
            page = self.get(page.location)
        return page

    def _send(self, method: str, path: str, **request: Any) -> PageSeen:
        headers = request.pop("headers", {})
        if self.cookies:
            headers["Cookie"] = "; ".join(f"{n}={v}" for n, v in self.cookies.items())
        self._http.cookies.clear()
        response = self._http.request(
            method, path, headers=headers, follow_redirects=False, **request
        )
        self._keep(response)
        return PageSeen(response, self._url)

    def _keep(self, response: httpx.Response) -> None:
        for line in response.headers.get_list("set-cookie"):
            for name, morsel in SimpleCookie(line).items():
                if morsel["max-age"] == "0":
                    self.cookies.pop(name, None)
                else:
                    self.cookies[name] = morsel.value


def path_of(url: str) -> str:
    return urlsplit(url).path
