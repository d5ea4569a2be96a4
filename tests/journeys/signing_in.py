"""A person who signs in to a running issuer by its pages, with cookies and forms only."""

from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx

from tests.builders import PASSWORD, Credentials
from tests.sign_in.authorizing import VERIFIER, challenge
from tests.web.browsing import PageSeen

CALLBACK = "https://app.example/callback"
MAX_STEPS = 12


def new_browser() -> httpx.Client:
    return httpx.Client(timeout=30, trust_env=False)


@dataclass
class WebPerson:
    """`username` at a browser of its own."""

    username: str
    password: str = PASSWORD
    browser: httpx.Client = field(default_factory=new_browser)

    def visit(self, url: str, redirect_uri: str = CALLBACK) -> str:
        """Go on until the browser is sent to the redirect URI: the URL that it is sent to."""
        response = self.browser.get(url)
        for _ in range(MAX_STEPS):
            location = response.headers.get("location", "")
            if location.startswith(redirect_uri):
                return location
            if location:
                response = self.browser.get(response.url.join(location))
            else:
                response = self._submit(response)
        raise AssertionError(f"Not sent to {redirect_uri}: {response.url}")

    def code(self, issuer: str, client: Credentials, **more: str) -> str:
        """The code for a client that asked with the verifier of the tests."""
        return returned(self.visit(authorization_url(issuer, client, **more)))["code"]

    def _submit(self, response: httpx.Response) -> httpx.Response:
        assert response.status_code == httpx.codes.OK, response.text
        action = urlsplit(str(response.url)).path
        form = PageSeen(response).form(action).fields
        typed = {"username": self.username, "password": self.password}
        form |= {name: value for name, value in typed.items() if name in form}
        if action == "/consent":
            form["decision"] = "allow"
        return self.browser.post(response.url.join(action), data=form)


def authorization_url(issuer: str, client: Credentials, **more: str) -> str:
    parameters = {
        "response_type": "code",
        "client_id": client.client_id,
        "redirect_uri": CALLBACK,
        "code_challenge": challenge(),
        "code_challenge_method": "S256",
        "state": "af0ifjsldkj",
        "resource": "my-os",
        **more,
    }
    return f"{issuer}/oauth2/authorize?{urlencode(parameters)}"


def token_request(code: str) -> dict[str, str]:
    return {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": CALLBACK,
        "code_verifier": VERIFIER,
    }


def returned(url: str) -> dict[str, str]:
    """The parameters that a redirect brings to the client."""
    return dict(parse_qsl(urlsplit(url).query))
