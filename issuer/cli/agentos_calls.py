"""What the demo with an AgentOS does: tokens, runs of agents, and the end of a key."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx
import jwt

from issuer.cli.demo import Demo
from issuer.cli.opening import opened, operator
from issuer.errors import Unavailable
from issuer.settings import Settings

T = TypeVar("T")

_SECONDS = 60
_BETWEEN_LOOKS = 0.1


@dataclass(frozen=True)
class Token:
    """A token, and the key that signed it."""

    text: str
    kid: str
    scope: str


@dataclass(frozen=True)
class Call:
    """A call of the AgentOS with a token of the key `kid`, and what it answered."""

    kid: str
    path: str
    status: int
    answer: str

    def in_words(self) -> str:
        return f"POST {self.path:<22} {self.status}  {self.answer}"


class Calls:
    """Over HTTP, as the client of the demo; and the operator's `key revoke`."""

    def __init__(self, settings: Settings, demo: Demo, agent_os: str) -> None:
        self._settings = settings
        self._demo = demo
        self._agent_os = agent_os
        self._http = httpx.Client(timeout=_SECONDS, trust_env=False)

    def wait_for_agent_os(self) -> None:
        """Its socket listens already: it answers when it is ready, or never."""
        try:
            self._http.get(f"{self._agent_os}/health")
        except httpx.HTTPError:
            raise Unavailable(
                "The AgentOS did not start: pip install 'agno[os]' has all it needs."
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
        """The server notices within a second."""

        def look() -> Token | None:
            new = self.token()
            return None if new.kid == old.kid else new

        return _waited(look, "another key signs")

    def run(self, token: Token, agent: str, expected: int) -> Call:
        """Run the agent; `Unavailable` unless the answer has the status `expected`."""
        answer = self._run(token, agent)
        said = answer.json()
        words = str(said.get("content") or said.get("detail") or "")
        call = Call(token.kid, answer.request.url.path, answer.status_code, words)
        if answer.status_code != expected:
            raise Unavailable(f"This should have been {expected}: {call.in_words()}")
        return call

    def wait_until_refused(self, token: Token) -> None:
        """AgentOS notices at its next look at the key set."""
        _waited(
            lambda: self._run(token, "web").status_code == httpx.codes.UNAUTHORIZED,
            "the token of a revoked key is refused",
        )

    def revoke(self, kid: str) -> None:
        with (
            opened(self._settings) as parts,
            parts.administration.changing_keys(operator()) as work,
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


def _waited(look: Callable[[], T | None], what: str) -> T:
    """What it sees at last; `Unavailable` if that takes too long."""
    deadline = time.monotonic() + _SECONDS
    while not (found := look()):
        if time.monotonic() > deadline:
            raise Unavailable(f"In {_SECONDS} s it did not come true that {what}.")
        time.sleep(_BETWEEN_LOOKS)
    return found
