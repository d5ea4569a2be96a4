"""HTTP calls of the AgentOS demo: get tokens, run agents, revoke a key."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx
import jwt

from issuer.cli.demo import Demo
from issuer.cli.opening import administering, operator
from issuer.errors import Unavailable
from issuer.settings import Settings

T = TypeVar("T")

_SECONDS = 60
_POLL_SECONDS = 0.1


@dataclass(frozen=True)
class Token:
    """An access token, and the id of the key that signed it."""

    text: str
    kid: str
    scope: str


@dataclass(frozen=True)
class Call:
    """A call to the AgentOS with a token signed by `kid`, and the response."""

    kid: str
    path: str
    status: int
    answer: str

    def as_line(self) -> str:
        return f"POST {self.path:<22} {self.status}  {self.answer}"


class Calls:
    """Calls over HTTP as the demo client; `revoke` acts as the operator."""

    def __init__(self, settings: Settings, demo: Demo, agent_os: str) -> None:
        self._settings = settings
        self._demo = demo
        self._agent_os = agent_os
        self._http = httpx.Client(timeout=_SECONDS, trust_env=False)

    def wait_for_agent_os(self) -> None:
        """Wait until it answers; its socket already listens."""
        try:
            self._http.get(f"{self._agent_os}/health")
        except httpx.HTTPError:
            raise Unavailable(
                "The AgentOS did not start. Install its dependencies: pip install 'agno[os]'."
            ) from None

    def token(self) -> Token:
        answer = self._post(
            f"{self._settings.url}/oauth2/token",
            data={"grant_type": "client_credentials"},
            auth=(self._demo.client_id, self._demo.client_secret),
        ).json()
        text = answer["access_token"]
        return Token(text, jwt.get_unverified_header(text)["kid"], answer["scope"])

    def token_of_another_key(self, old: Token) -> Token:
        """A token of the next key; the server loads changed keys within a second."""

        def poll() -> Token | None:
            new = self.token()
            return None if new.kid == old.kid else new

        return _waited(poll, "another key signs")

    def run(self, token: Token, agent: str, expected: int) -> Call:
        """Run the agent; `Unavailable` unless the answer has the status `expected`."""
        answer = self._run(token, agent)
        body = answer.json()
        text = str(body.get("content") or body.get("detail") or "")
        call = Call(token.kid, answer.request.url.path, answer.status_code, text)
        if answer.status_code != expected:
            raise Unavailable(f"Expected status {expected}, got: {call.as_line()}")
        return call

    def wait_until_refused(self, token: Token) -> None:
        """The AgentOS refuses it once it has fetched the key set again."""
        _waited(
            lambda: self._run(token, "web").status_code == httpx.codes.UNAUTHORIZED,
            "the token of a revoked key is refused",
        )

    def revoke(self, kid: str) -> None:
        with (
            administering(self._settings) as administration,
            administration.changing_keys(operator()) as work,
        ):
            work.keys.revoke(kid)

    def _run(self, token: Token, agent: str) -> httpx.Response:
        return self._post(
            f"{self._agent_os}/agents/{agent}/runs",
            data={"message": "hello", "stream": "false"},
            headers={"Authorization": f"Bearer {token.text}"},
        )

    def _post(self, url: str, **request: Any) -> httpx.Response:
        try:
            return self._http.post(url, **request)
        except httpx.HTTPError as error:
            raise Unavailable(f"{url} does not answer: {error}.") from None


def _waited(poll: Callable[[], T | None], condition: str) -> T:
    """The first true result of `poll`; `Unavailable` after 60 s."""
    deadline = time.monotonic() + _SECONDS
    while not (result := poll()):
        if time.monotonic() > deadline:
            raise Unavailable(f"Timed out after {_SECONDS} s, waiting until {condition}.")
        time.sleep(_POLL_SECONDS)
    return result
