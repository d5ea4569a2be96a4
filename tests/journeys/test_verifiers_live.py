"""A rotation waits for an AgentOS that lacks the next key; two servers share what each was told."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.agentos.adapter.adapted import AppSettings, running_apps
from tests.agentos.key_server import KEYS, KeyServer, running_key_server
from tests.agentos.releases import AGNO_3_1
from tests.agentos.running import AgentOSServer
from tests.databases import PostgreSQL
from tests.drivers import AdminApi
from tests.journeys.running_issuer import RunningIssuer, Server, wait_until
from tests.verifying_servers import without

SHORT = {
    "key_sign_for": "1d",
    "key_announce_for": "2s",
    "jwks_max_age": "1s",
    "jwks_max_stale": "0s",
}
WORKERS = 2
# Reports once a minute, written within seconds; the machine may be busy.
SOON = 120
pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class FollowedIssuer:
    """An issuer of two servers, and an AgentOS that reads its key set from a cache.

    The AgentOS polls the feed of the first server only, and operators ask the second.
    """

    issuer: RunningIssuer
    replica: Server
    cache: KeyServer
    agent_os: AgentOSServer

    @property
    def admin(self) -> AdminApi:
        token = self.replica.token_endpoint.client_credentials(self.issuer.deployment.admin).token
        return AdminApi(self.replica.http, token)

    @property
    def verifiers(self) -> list[dict[str, Any]]:
        return self.admin.get("/verifiers").json()["items"]

    @property
    def next_kid(self) -> str:
        return self.admin.get("/keys").json()["items"][0]["kid"]

    def rotate(self, query: str = "") -> httpx.Response:
        return self.admin("POST", f"/keys/rotate{query}")

    def is_refused(self) -> bool:
        """Whether it is refused because of verifiers; before the key is ready, it is not yet."""
        answer = self.rotate()
        assert answer.status_code == 409, answer.text
        return "lacks the next RS256 key" in answer.json()["detail"]

    def all_are(self, *, lacking: bool) -> bool:
        found = [bool(each["missing_kid"]) for each in self.verifiers]
        return found == [lacking] * WORKERS

    def accepts_a_new_token(self) -> bool:
        client = self.issuer.deployment.client(scopes=["agents:read"])
        token = self.replica.token_endpoint.client_credentials(client).token
        return self.agent_os.get("/agents", token).status_code == httpx.codes.OK


@pytest.fixture(params=["sqlite", "postgresql"])
def followed(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[FollowedIssuer]:
    (tmp_path / "issuer").mkdir()
    with ExitStack() as stack:
        url = None
        if request.param == "postgresql":
            server: PostgreSQL = request.getfixturevalue("postgresql")
            url = stack.enter_context(server.database())
        issuer = stack.enter_context(RunningIssuer(tmp_path / "issuer", url, **SHORT))
        replica = stack.enter_context(issuer.replica())
        cache = stack.enter_context(running_key_server())
        put_stale(cache, issuer)
        more = {
            "jwks_url": cache.url + KEYS,
            "revocations": issuer.url + "/.well-known/revocations",
        }
        apps = {"app": AppSettings("managed", issuer, more=more)}
        running = running_apps(AGNO_3_1, tmp_path, apps, workers=WORKERS)
        agent_os = stack.enter_context(running)["app"].os
        yield FollowedIssuer(issuer, replica, cache, agent_os)


def put_stale(cache: KeyServer, issuer: RunningIssuer) -> None:
    """The cache has a key set from before the next key was announced."""
    current = issuer.http.get(KEYS).json()
    cache.put(KEYS, without(issuer_next_kid(issuer), current), cache_control="max-age=1")


def issuer_next_kid(issuer: RunningIssuer) -> str:
    """The newest key is first."""
    return issuer.http.get(KEYS).json()["keys"][0]["kid"]


def test_a_rotation_waits_until_the_agent_os_has_the_next_key_or_is_forced(
    followed: FollowedIssuer,
):
    wait_until(lambda: followed.all_are(lacking=True), SOON, "each worker reports")
    for each in followed.verifiers:
        assert (each["audience"], each["address"]) == ("my-os", "127.0.0.1")
        assert (each["agno_version"], each["live"]) == (followed.agent_os.release.version, True)
    wait_until(followed.is_refused, SOON, "the key is ready, and the AgentOS lacks it")
    lacked = followed.next_kid

    followed.cache.put(KEYS, followed.issuer.http.get(KEYS).json(), cache_control="max-age=1")
    wait_until(lambda: followed.all_are(lacking=False), SOON, "the AgentOS reports the new key")
    assert followed.rotate().status_code == 200
    assert followed.next_kid != lacked
    assert followed.accepts_a_new_token()

    wait_until(followed.is_refused, SOON, "the key after it is ready, and the AgentOS lacks it")
    assert followed.rotate("?force=true").status_code == 200
    assert not followed.accepts_a_new_token()
