"""`POST /admin/v1/usage`: only the verifiers of an audience report what is used there."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from issuer.database.tables import UsedScopeRow
from tests.builders import URL, Deployment
from tests.drivers import AdminApi, TokenDriver, problem
from tests.rows import rows
from tests.usage.reporting import report

SCOPE = "issuer:usage:report"
ON_SQLITE = pytest.mark.parametrize("database_kind", ["sqlite"])


@pytest.fixture
def reporter(deployment: Deployment, token_endpoint: TokenDriver) -> AdminApi:
    """A client that reports for my-os, as the how-to has it."""
    deployment.audience("other-os")
    client = deployment.client("reporter", scopes=[SCOPE], audiences=[URL, "my-os"])
    token = token_endpoint.client_credentials(client, audience=URL).token
    return AdminApi(deployment.http, token)


def said(deployment: Deployment, **members: Any) -> dict[str, Any]:
    return report(deployment.clock(), {("alice", "agents:run"): (1, 0)}, **members)


def subjects(deployment: Deployment) -> set[str]:
    with deployment.services.database.reading() as session:
        return set(session.scalars(select(UsedScopeRow.subject)))


def test_a_report_is_added_and_answered_without_content(reporter: AdminApi, deployment: Deployment):
    answer = reporter.post("/usage", **said(deployment))
    assert (answer.status_code, answer.content) == (204, b"")
    assert subjects(deployment) == {"", "alice"}


@ON_SQLITE
@pytest.mark.parametrize("audience", ["other-os", "unknown", "my-os/", URL])
def test_a_client_reports_only_for_an_agent_os_among_its_audiences(
    reporter: AdminApi, deployment: Deployment, audience: str
):
    answer = reporter.post("/usage", **said(deployment, audience=audience))
    assert problem(answer) == (403, "forbidden")
    assert subjects(deployment) == set()


@ON_SQLITE
def test_the_scope_opens_nothing_else(reporter: AdminApi, admin: AdminApi):
    for path in ("/status", "/scopes", "/clients", "/verifiers", "/audit-events"):
        assert problem(reporter.get(path)) == (403, "forbidden")
    assert problem(reporter.post("/scopes/lint", scopes=[])) == (403, "forbidden")


@ON_SQLITE
def test_no_other_scope_reports(holder_of: Callable[..., AdminApi], deployment: Deployment):
    other = holder_of("issuer:clients:write", "issuer:status:read")
    assert problem(other.post("/usage", **said(deployment))) == (403, "forbidden")


@ON_SQLITE
def test_a_report_changes_nothing_that_tokens_depend_on(
    reporter: AdminApi, admin: AdminApi, deployment: Deployment
):
    """No cache is emptied, and the audit log does not grow by the minute."""
    before = deployment.services.database.counts().changes
    events = len(admin.get("/audit-events").json()["items"])
    reporter.post("/usage", **said(deployment))
    assert deployment.services.database.counts().changes == before
    assert len(admin.get("/audit-events").json()["items"]) == events


@ON_SQLITE
@rows(
    "wrong",
    {
        "unknown member": {"path": "/agents/web/runs"},
        "too many counts": {
            "counts": [{"sub": "a", "client_id": "a", "scope": "b:c", "allowed": 1, "refused": 0}]
            * 1001
        },
        "path in a count": {
            "counts": [{"sub": "a", "client_id": "a", "scope": "b:c", "prompt": "hello"}]
        },
        "negative": {
            "counts": [{"sub": "a", "client_id": "a", "scope": "b:c", "allowed": -1, "refused": 0}]
        },
        "nobody": {
            "counts": [{"sub": "", "client_id": "", "scope": "", "allowed": 1, "refused": 0}]
        },
        "window without id": {
            "window": {"start": "2026-11-25T12:00:00Z", "end": "2026-11-25T12:00:00Z"}
        },
        "window that ends before it starts": {
            "window": {
                "id": "0123456789abcdef",
                "start": "2026-11-25T12:00:00Z",
                "end": "2026-11-25T11:00:00Z",
            }
        },
    },
)
def test_a_report_of_another_shape_is_refused(
    reporter: AdminApi, deployment: Deployment, wrong: dict[str, Any]
):
    answer = reporter.post("/usage", **{**said(deployment), **wrong})
    assert problem(answer) == (422, "invalid-fields")
    assert subjects(deployment) == set()
