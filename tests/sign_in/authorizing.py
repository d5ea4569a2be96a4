"""A person in a browser, and a client that sends the browser to the issuer."""

from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

import httpx
from sqlalchemy import func, select

from issuer.audit import Actor
from issuer.database.tables import Base
from issuer.sign_in.authorization_request import ConsentNeeded, NextStep, Redirection
from issuer.sign_in.sessions_store import SignInSession
from tests.builders import URL, Credentials, Deployment
from tests.drivers import TokenAnswer, TokenDriver

CALLBACK = "https://app.example/callback"
VERIFIER = "a-verifier-of-forty-three-characters-or-more"
GRANTS = ["authorization_code", "refresh_token"]
BROWSER = Actor(address="192.0.2.7", request_id="sent-by-a-browser")


def challenge(verifier: str = VERIFIER) -> str:
    return urlsafe_b64encode(sha256(verifier.encode()).digest()).decode().rstrip("=")


@dataclass(frozen=True)
class App:
    """A client and what it sends. The defaults make a valid request."""

    endpoint: TokenDriver
    client: Credentials
    redirect_uri: str = CALLBACK
    more: dict[str, str] = field(default_factory=dict)

    def request(self, **parameters: str | None) -> dict[str, str]:
        """The parameters of an authorization request; None leaves one out."""
        request = {
            "response_type": "code",
            "client_id": self.client.client_id,
            "redirect_uri": self.redirect_uri,
            "code_challenge": challenge(),
            "code_challenge_method": "S256",
            "state": "af0ifjsldkj",
            **self.more,
            **parameters,
        }
        return {name: value for name, value in request.items() if value is not None}

    def redeem(self, code: str, /, **parameters: str | None) -> TokenAnswer:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.redirect_uri,
            "code_verifier": VERIFIER,
            **parameters,
        }
        return self.post(form)

    def refresh(self, refresh_token: str, **parameters: str) -> TokenAnswer:
        form = {"grant_type": "refresh_token", "refresh_token": refresh_token, **parameters}
        return self.post(form)

    def post(self, form: dict[str, Any]) -> TokenAnswer:
        """With the credentials of the client; one without a secret only says its id."""
        form = {name: value for name, value in form.items() if value is not None}
        if not self.client.client_secret:
            return self.endpoint.post(data={"client_id": self.client.client_id, **form})
        return self.endpoint.post(
            data=form, auth=(self.client.client_id, self.client.client_secret)
        )


@dataclass(frozen=True)
class Person:
    """A user with a session."""

    deployment: Deployment
    user_id: str
    session: SignInSession
    cookie: str

    def visits(self, app: App, **parameters: str | None) -> httpx.Response:
        """The answer of the authorization endpoint."""
        return visit(self.deployment, app.request(**parameters), self.cookie)

    def next_step(self, app: App, **parameters: str | None) -> NextStep:
        people = self.deployment.services.people
        validated = people.validation.validate(list(app.request(**parameters).items()))
        assert isinstance(validated, tuple), validated
        return people.flow.next_step(validated[0], self.session, BROWSER)

    def allows(self, app: App, **parameters: str | None) -> str:
        """Allow what the app asks for, on the consent page; the code."""
        step = self.next_step(app, **parameters)
        if isinstance(step, ConsentNeeded):
            flow = self.deployment.services.people.flow
            step = flow.allow(step, self.session, BROWSER)
        assert isinstance(step, Redirection), step
        return code_of(step.url)

    def signs_in_to(self, app: App, **parameters: str | None) -> TokenAnswer:
        """The answer of the token endpoint after all of it."""
        answer = app.redeem(self.allows(app, **parameters))
        assert answer.status == 200, answer.body
        return answer


def sign_in(
    deployment: Deployment, user_id: str, methods: tuple[str, ...] = ("pwd",), **more: Any
) -> Person:
    """A new session of the user."""
    user = deployment.services.tokens.directory.load_user(user_id)
    assert user is not None
    sessions = deployment.services.people.sessions
    session, cookie = sessions.begin(user, methods, BROWSER, "Firefox", **more)
    return Person(deployment, user_id, session, cookie)


def visit(deployment: Deployment, request: Any, cookie: str | None = None) -> httpx.Response:
    """`GET /oauth2/authorize` by a browser with that session cookie."""
    headers = {"Cookie": f"__Host-session={cookie}"} if cookie else {}
    deployment.http.cookies.clear()
    return deployment.http.get(
        "/oauth2/authorize", params=request, headers=headers, follow_redirects=False
    )


def returned(response: httpx.Response | str) -> dict[str, str]:
    """The parameters with which a redirect returns to the client."""
    url = response if isinstance(response, str) else response.headers["location"]
    return dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))


def code_of(url: str) -> str:
    parameters = parse_qs(urlsplit(url).query)
    assert parameters["iss"] == [URL]
    (code,) = parameters["code"]
    return code


def rows(deployment: Deployment) -> int:
    """In all tables."""
    with deployment.services.database.reading() as session:
        tables = Base.metadata.tables.values()
        return sum(session.scalar(select(func.count()).select_from(table)) for table in tables)
