"""A drill with running servers: ours, a stock AgentOS, and one with an outdated key set."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import jwt
import pytest

from tests.agentos.releases import AGNO_3_1
from tests.agentos.running import running_agent_os
from tests.builders import Credentials
from tests.cli.driver import Cli
from tests.journeys.running_issuer import RunningIssuer, wait_until
from tests.verifying_servers import KeySet, without

pytestmark = pytest.mark.slow
FETCHED_AT_ONCE = {
    "key_announce_for": "1s",
    "key_sign_for": "30d",
    "jwks_max_age": "1s",
    "jwks_max_stale": "0s",
}


class LiveSetUp:
    """Our server, and an AgentOS for each key set."""

    def __init__(self, issuer: RunningIssuer, folder: Path, servers: ExitStack) -> None:
        self.issuer = issuer
        self.cli = Cli(issuer.environment)
        self.client = issuer.deployment.client(scopes=["agents:read"])
        self.new, self.old = (key["kid"] for key in self.cli.json("key", "list")["items"])
        self.key_set = issuer.http.get("/.well-known/jwks.json").json()
        self._folder = folder
        self._servers = servers

    def agent_os(self, name: str, key_set: KeySet) -> str:
        """Start an AgentOS with this key set; returns the URL of one of its routes."""
        folder = self._folder / name
        folder.mkdir()
        file = folder / "jwks.json"
        file.write_text(json.dumps(key_set))
        server = self._servers.enter_context(running_agent_os(AGNO_3_1, folder, jwks_file=file))
        return f"{server.url}/agents"

    def drill(
        self, *verifiers: str, client: Credentials | None = None, rotate: bool = False
    ) -> Any:
        """The report of a drill, which waits a second or two for verifiers."""
        options = [word for url in verifiers for word in ("--verifier", url)]
        options += ["--client-id", (client or self.client).client_id]
        result = self.cli("key", "drill", *options, *["--rotate"] * rotate, "--json")
        assert (result.status == 0) is result.json["ok"]
        return result.json

    def signing(self) -> str:
        """The key of a token that the server issues now."""
        token = self.issuer.token_endpoint.client_credentials(self.client).token
        return str(jwt.get_unverified_header(token)["kid"])


@pytest.fixture
def live(tmp_path: Path) -> Iterator[LiveSetUp]:
    with ExitStack() as servers:
        issuer = servers.enter_context(RunningIssuer(tmp_path, **FETCHED_AT_ONCE))
        yield LiveSetUp(issuer, tmp_path, servers)


def test_a_rotation_is_rehearsed_then_done(live: LiveSetUp):
    """The outdated one would have refused its users' tokens."""
    current_os = live.agent_os("current", live.key_set)
    outdated_os = live.agent_os("outdated", without(live.new, live.key_set))
    failed = live.drill(current_os, outdated_os, rotate=True)
    ours, current, outdated = failed["before"]
    assert (failed["ok"], failed["rotated"]) == (False, False)
    assert (ours["ok"], ours["saw"]) == (True, "has both keys")
    assert statuses(current) == [200, 200, 401]
    assert statuses(outdated) == [200, 401, 401]
    assert live.signing() == live.old

    jwks_url = f"{live.issuer.url}/.well-known/jwks.json"
    rehearsed = live.drill(current_os, jwks_url)
    assert (rehearsed["ok"], rehearsed["rotated"]) == (True, False)
    assert live.signing() == live.old

    done = live.drill(current_os, jwks_url, rotate=True)
    assert (done["rotated"], [each["ok"] for each in done["after"]]) == (True, [True] * 3)
    wait_until(lambda: live.signing() == live.new, 60, "the server has seen the change")


def test_a_client_without_scopes_is_sufficient(live: LiveSetUp):
    """403: the token was accepted."""
    powerless = live.issuer.deployment.client()
    current_os = live.agent_os("current", live.key_set)
    report = live.drill(current_os, client=powerless)
    assert statuses(report["before"][1]) == [403, 403, 401]


def test_our_own_server_can_be_a_verifier(live: LiveSetUp):
    """Its admin API is an audience, too."""
    report = live.drill(f"{live.issuer.url}/admin/v1/keys", client=live.issuer.deployment.admin)
    assert statuses(report["before"][1]) == [200, 200, 401]


def statuses(seen: dict[str, Any]) -> list[int]:
    return [seen[name] for name in ("old", "new", "forged")]
