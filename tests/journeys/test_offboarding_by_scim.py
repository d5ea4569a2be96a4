"""Whoever an identity provider removes is refused at a running AgentOS within seconds."""

import base64
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from issuer.roles import Assignment
from tests.admin.scim.driver import MEDIA_TYPE, PATCH
from tests.agentos.adapter.adapted import AppSettings, running_apps
from tests.agentos.releases import SERVER_RELEASES
from tests.builders import Credentials
from tests.journeys.running_issuer import RunningIssuer, wait_until
from tests.journeys.test_adapter_refuses_what_was_revoked import WITHIN, is_accepted

pytestmark = pytest.mark.slow
PEOPLE = ("disabled", "deleted", "removed", "staying")


@pytest.fixture
def issuer(tmp_path: Path) -> Iterator[RunningIssuer]:
    (tmp_path / "issuer").mkdir()
    with RunningIssuer(tmp_path / "issuer") as issuer:
        yield issuer


@pytest.fixture
def scim(issuer: RunningIssuer) -> Iterator[httpx.Client]:
    """As Entra and Okta: with the secret of a client, over the network."""
    client = issuer.deployment.client("idp", scopes=["issuer:scim"], audiences=[issuer.url])
    secret = base64.b64encode(f"idp:{client.client_secret}".encode()).decode()
    headers = {"Authorization": f"Bearer {secret}", "Content-Type": MEDIA_TYPE}
    with httpx.Client(base_url=f"{issuer.url}/scim/v2", headers=headers, timeout=60) as http:
        yield http


@pytest.fixture
def app(issuer: RunningIssuer) -> Credentials:
    grants = ["password", "refresh_token"]
    return issuer.deployment.client(grant_types=grants, user_rights="all")


def test_who_is_removed_by_scim_is_refused_within_10_s(
    issuer: RunningIssuer, scim: httpx.Client, app: Credentials, tmp_path: Path
):
    """By `active: false`, by DELETE, and by leaving the group that gave the role."""
    deployment, endpoint = issuer.deployment, issuer.token_endpoint
    deployment.role("reader", ["agents:read"])
    ids = {name: deployment.user(name) for name in PEOPLE}
    body = {"displayName": "Readers", "members": [{"value": each} for each in ids.values()]}
    group = scim.post("/Groups", json=body).json()["id"]
    with deployment.changing() as work:
        work.assignments.assign(group, Assignment(role="reader", audience="my-os"))
    with running_apps(
        SERVER_RELEASES[-1], tmp_path, {"app": AppSettings("managed", issuer)}
    ) as apps:
        agent_os = apps["app"].os
        answers = {name: endpoint.password(app, name) for name in PEOPLE}
        tokens = {name: answer.token for name, answer in answers.items()}
        assert all(is_accepted(agent_os, token) for token in tokens.values())
        disable = {"op": "Replace", "path": "active", "value": False}
        leave = {"op": "Remove", "path": "members", "value": [{"value": ids["removed"]}]}
        for path, operation in (
            (f"/Users/{ids['disabled']}", disable),
            (f"/Groups/{group}", leave),
        ):
            changed = scim.patch(path, json={"schemas": [PATCH], "Operations": [operation]})
            assert changed.is_success, changed.text
        assert scim.delete(f"/Users/{ids['deleted']}").status_code == 204
        gone = [tokens[name] for name in PEOPLE if name != "staying"]
        wait_until(
            lambda: not any(is_accepted(agent_os, token) for token in gone), WITHIN, "refused"
        )
        assert is_accepted(agent_os, tokens["staying"])
    for name in ("disabled", "deleted"):
        assert endpoint.refresh(app, answers[name].refresh_token).error == "invalid_grant"
    narrower = endpoint.refresh(app, answers["removed"].refresh_token)
    assert narrower.scope == set()
