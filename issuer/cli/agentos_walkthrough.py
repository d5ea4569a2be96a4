"""The steps of the AgentOS demo, and the text printed for each."""

from collections.abc import Iterator
from dataclasses import asdict
from importlib.metadata import version

from issuer.cli.agentos_calls import Call, Calls, Token
from issuer.cli.demo import Demo
from issuer.settings import Settings

_OK, _UNAUTHORIZED, _FORBIDDEN = 200, 401, 403


class Walkthrough:
    """A call that is allowed and one that is refused, before and after a key is revoked."""

    def __init__(self, settings: Settings, demo: Demo, agent_os: str) -> None:
        self._settings = settings
        self._demo = demo
        self._agent_os = agent_os
        self._calls = Calls(settings, demo, agent_os)
        self._done: list[Call] = []

    def as_members(self) -> dict[str, object]:
        return {
            "url": self._settings.url,
            "agent_os": self._agent_os,
            "agno": version("agno"),
            "demo": asdict(self._demo),
            "calls": [asdict(call) for call in self._done],
        }

    def paragraphs(self) -> Iterator[str]:
        """Each after its step. `Unavailable` if a step has another result."""
        self._calls.wait_for_agent_os()
        yield (
            f"The issuer runs at {self._settings.url}.\n"
            f"An AgentOS (agno {version('agno')}) with the agents web and billing runs at"
            f" {self._agent_os}\nand accepts its tokens:"
        )
        yield self._lines()
        old = self._calls.token()
        yield (
            f"The client {self._demo.client_id} has a token with the scopes {old.scope},\n"
            f"signed by the key {old.kid}:"
        )
        yield self._two_runs(old)
        self._calls.revoke(old.kid)
        new = self._calls.token_of_another_key(old)
        yield f"That key is revoked, and the next key signs, {new.kid}.\nWith a new token:"
        yield self._two_runs(new)
        self._calls.wait_until_refused(old)
        yield "With the token of the revoked key, which was accepted before:"
        yield self._run(old, "web", _UNAUTHORIZED)
        yield f"Try it:\n\n{self._to_try()}"
        yield (
            "This AgentOS fetches the key set every second; the default is five minutes\n"
            "(ISSUER_JWKS_MAX_AGE). Ctrl-C stops both servers and deletes the data of this demo."
        )

    def _two_runs(self, token: Token) -> str:
        return f"{self._run(token, 'web', _OK)}\n{self._run(token, 'billing', _FORBIDDEN)}"

    def _run(self, token: Token, agent: str, expected: int) -> str:
        call = self._calls.run(token, agent, expected)
        self._done.append(call)
        return f"  {call.as_line()}"

    def _lines(self) -> str:
        return (
            f'  verifier = Verifier("{self._settings.url}", audience="{self._demo.audience}")\n'
            f'  app = verifier.attach(AgentOS(id="{self._demo.audience}", agents=[...],'
            " **verifier.auth()).get_app())"
        )

    def _to_try(self) -> str:
        run = 'curl -s -H "Authorization: Bearer $TOKEN" -F message=hello -F stream=false'
        return f"""\
  TOKEN=$({self._curl_for_a_token()} | sed 's/.*"access_token": *"\\([^"]*\\)".*/\\1/')
  {run} {self._agent_os}/agents/web/runs
  {run} {self._agent_os}/agents/billing/runs
  ISSUER_URL={self._settings.url} ISSUER_DATA_DIR={self._settings.data_dir} issuer key list"""

    def _curl_for_a_token(self) -> str:
        client = f"{self._demo.client_id}:{self._demo.client_secret}"
        endpoint = f"{self._settings.url}/oauth2/token"
        return f"curl -s -u '{client}' -d grant_type=client_credentials {endpoint}"
