"""An AgentOS with the adapter refuses tokens that our running server has revoked."""

import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jwt
import pytest

from tests.agentos.adapter.adapted import AppSettings, running_apps
from tests.agentos.adapter.surfaces import MCP, WEBSOCKET, Reaction
from tests.agentos.releases import SERVER_RELEASES, AgnoRelease
from tests.agentos.running import AgentOSServer
from tests.builders import OPERATOR
from tests.journeys.running_issuer import RunningIssuer, wait_until

ACTIVE_REVOCATIONS = 10_000
SCOPES = ("agents:read", MCP.scope, WEBSOCKET.scope)
WITHIN = 10
"""Seconds (docs/how-to/connect-an-agentos.md)."""
pytestmark = pytest.mark.slow


@pytest.fixture(params=SERVER_RELEASES, ids=str)
def release(request: pytest.FixtureRequest) -> AgnoRelease:
    return request.param


def test_revoked_tokens_are_refused_within_10_s_and_others_stay_valid(
    release: AgnoRelease, tmp_path: Path
) -> None:
    """With 10,000 other active revocations, and a key set that is cached for 5 minutes."""
    (tmp_path / "issuer").mkdir()
    with (
        RunningIssuer(tmp_path / "issuer") as issuer,
        running_apps(release, tmp_path, {"app": AppSettings("managed", issuer)}) as apps,
    ):
        agent_os = apps["app"].os
        revoke_many(issuer)
        doomed = tokens_to_revoke(issuer)
        client = issuer.deployment.client(scopes=[*SCOPES])
        good = issuer.token_endpoint.client_credentials(client).token
        assert all(is_accepted(agent_os, token) for token in (good, *doomed.values()))
        revoke(issuer, doomed)
        wait_until(lambda: not any_is_accepted(agent_os, doomed), WITHIN, "all are refused")
        for what, token in doomed.items():
            for surface in (WEBSOCKET, MCP):
                assert surface.attempt(agent_os.url, token) is Reaction.REFUSED, (what, surface)
                assert surface.attempt(agent_os.url, good) is Reaction.ACCEPTED, (what, surface)
        with issuer.deployment.services.administration.changing_keys(OPERATOR) as work:
            work.keys.revoke(kid_of(good))
        wait_until(lambda: not is_accepted(agent_os, good), WITHIN, "the key is refused")
        assert is_accepted(agent_os, issuer.token_endpoint.client_credentials(client).token)


def revoke_many(issuer: RunningIssuer) -> None:
    expires_at = datetime.now(UTC) + timedelta(minutes=15)
    with issuer.deployment.changing() as work:
        work.revocations.revoke_tokens(
            {uuid.uuid4().hex: expires_at for _ in range(ACTIVE_REVOCATIONS)}
        )


def tokens_to_revoke(issuer: RunningIssuer) -> dict[str, str]:
    """By what will be revoked or disabled; that client and that user are `doomed`."""
    deployment, endpoint = issuer.deployment, issuer.token_endpoint
    everyone = deployment.role("everyone", [*SCOPES])
    front = deployment.client(scopes=[*SCOPES], grant_types=["password"])
    deployment.user("doomed", id="usr_doomed", roles=[everyone])
    client = deployment.client("doomed", scopes=[*SCOPES])
    return {
        "the token": endpoint.client_credentials(deployment.client(scopes=[*SCOPES])).token,
        "the user": endpoint.password(front, "doomed").token,
        "the client": endpoint.client_credentials(client).token,
    }


def revoke(issuer: RunningIssuer, doomed: dict[str, str]) -> None:
    claims = jwt.decode(doomed["the token"], options={"verify_signature": False})
    with issuer.deployment.changing() as work:
        work.revocations.revoke_tokens({claims["jti"]: datetime.fromtimestamp(claims["exp"], UTC)})
        work.users.update("usr_doomed", {"disabled": True})
        work.clients.update("doomed", {"disabled": True})


def is_accepted(agent_os: AgentOSServer, token: str) -> bool:
    status = agent_os.get("/agents", token).status_code
    assert status in {200, 401}, status
    return status == 200


def any_is_accepted(agent_os: AgentOSServer, tokens: dict[str, str]) -> bool:
    return any(is_accepted(agent_os, token) for token in tokens.values())


def kid_of(token: str) -> str:
    return jwt.get_unverified_header(token)["kid"]
