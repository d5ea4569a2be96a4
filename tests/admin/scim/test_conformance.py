"""The checks of scim2-tester, and the requests of scim2-client, against the running app."""

import pytest
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_tester import Status, check_server
from starlette.testclient import TestClient

from tests.admin.scim.driver import Scim
from tests.builders import URL, Deployment


def client_of(deployment: Deployment, scim: Scim) -> SyncSCIMClient:
    assert isinstance(deployment.http, TestClient)
    app = deployment.http.app
    return SyncSCIMClient(TestClient(app, base_url=f"{URL}/scim/v2", headers=scim.headers))


@pytest.mark.slow
def test_every_check_of_scim2_tester_passes(deployment: Deployment, scim: Scim):
    results = check_server(client_of(deployment, scim))
    failed = [each for each in results if each.status is not Status.SUCCESS]
    assert [f"{each.title} {each.resource_type}: {each.reason}" for each in failed] == []
    assert len(results) > 50
