"""Before an operation: authentication, then authorization, then parsing of the request."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from starlette.types import Message

from issuer.provisioning.planning import MIN_BYTES_OF_OWN_PROCESS
from tests.admin.test_explain_own_api import below
from tests.builders import Deployment, FakeClock
from tests.drivers import AdminApi, problem

YAML = {"Content-Type": "application/yaml"}

# Below and above the size from which a manifest is planned in a process of its own.
SIZES = pytest.mark.parametrize(
    "comment", [b"", b"# " + b"x" * MIN_BYTES_OF_OWN_PROCESS + b"\n"], ids=["small", "large"]
)

on_sqlite = pytest.mark.parametrize("database_kind", ["sqlite"])


def operations(deployment: Deployment) -> list[tuple[str, str]]:
    """Every operation of the admin API."""
    found = below("/admin/v1", deployment).items()
    return [(method, path) for path, methods in found for method in sorted(methods)]


@on_sqlite
def test_the_request_of_a_caller_without_rights_is_not_parsed(
    deployment: Deployment, holder_of: Callable[..., AdminApi]
):
    """Parsing a manifest of a megabyte takes a second, while other requests wait."""
    for caller, expected in ((AdminApi(deployment.http, "none"), 401), (holder_of(), 403)):
        for method, path in operations(deployment):
            answer = caller(
                method, f"{path}?unknown=1", content=b"{", headers={"Content-Type": "x"}
            )
            assert answer.status_code == expected, (method, path, answer.text)


@on_sqlite
def test_malformed_json_of_an_unauthenticated_caller_is_401(deployment: Deployment):
    """A caller without a token learns nothing about parsing."""
    for method, path in operations(deployment):
        for content in (b"{", b'{"jti": "a", "jti": "b"}'):
            answer = deployment.http.request(
                method,
                f"/admin/v1{path}",
                content=content,
                headers={"Content-Type": "application/json"},
            )
            assert answer.status_code == 401, (method, path, answer.text)


@on_sqlite
def test_the_connection_of_a_refused_large_body_is_closed(deployment: Deployment):
    """So that the rest of the body is neither sent nor received."""
    for size, expected in ((1_000, None), (500_000, "close")):
        answer = deployment.http.post("/admin/v1/manifest/plan", content=b"#" * size, headers=YAML)
        assert answer.status_code == 401
        assert answer.headers.get("connection") == expected


@on_sqlite
def test_the_connection_of_a_large_body_that_was_read_stays_open(admin: AdminApi):
    answer = admin("POST", "/manifest/plan", content=b"#" * 500_000, headers=YAML)
    assert "connection" not in answer.headers


@on_sqlite
def test_the_rate_of_refusals_to_an_address_is_limited(deployment: Deployment, clock: FakeClock):
    """A client that retries at once must not slow down others."""
    began = clock.monotonic()
    for _ in range(100):
        deployment.http.get("/admin/v1/roles")
    assert clock.monotonic() == began
    deployment.http.get("/admin/v1/roles")
    assert clock.monotonic() == began + 1


@on_sqlite
def test_successful_responses_are_not_delayed(admin: AdminApi, clock: FakeClock):
    began = clock.monotonic()
    for _ in range(101):
        assert admin.get("/roles").status_code == 200
        assert admin.get("/roles/none").status_code == 404
    assert clock.monotonic() == began


@SIZES
def test_a_manifest_is_read_before_the_database_is_locked(
    deployment: Deployment, admin: AdminApi, comment: bytes
):
    with deployment.changing():
        refused = admin("POST", "/manifest/apply", content=comment + b"roles: [", headers=YAML)
    assert problem(refused) == (422, "invalid-fields")


@pytest.mark.slow
@SIZES
def test_a_manifest_is_planned_before_the_database_is_locked(
    deployment: Deployment, admin: AdminApi, comment: bytes
):
    with deployment.changing():
        refused = admin(
            "POST",
            "/manifest/apply",
            content=comment + b"clients: [{client_id: a, audiences: [nowhere]}]",
            headers=YAML,
        )
    assert problem(refused) == (422, "invalid-fields")


@pytest.mark.slow
@SIZES
def test_a_third_concurrent_plan_is_503_with_retry_after(
    deployment: Deployment, admin: AdminApi, comment: bytes
):
    """At most two are made at a time: each can take a hundred megabytes.

    The second one is outdated when the first is applied, and is made again.
    """

    def apply(name: str) -> httpx.Response:
        while True:
            source = comment + b"roles: [{name: %s}]" % name.encode()
            answer = admin("POST", "/manifest/apply", content=source, headers=YAML)
            if answer.status_code != 503:
                return answer

    with ThreadPoolExecutor(2) as threads:
        with deployment.changing():
            # Both wait for the lock that is held here.
            under_way = [threads.submit(apply, name) for name in ("a", "b")]
            while (third := admin("POST", "/manifest/plan", json={})).status_code == 200:
                pass
        assert problem(third) == (503, "temporarily-unavailable")
        assert third.headers["retry-after"] == "1"
        assert [each.result().status_code for each in under_way] == [200, 200]
    assert admin("POST", "/manifest/plan", json={}).status_code == 200


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
def test_a_caller_who_leaves_before_the_body_has_come_is_no_failure_of_the_server(
    deployment: Deployment, admin: AdminApi, method: str
):
    """No traceback in the log, and no alert about it."""
    deployment.role("runner", ["agents:run"])
    sent: list[Message] = []
    arriving = iter(
        [{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}]
    )

    async def receive() -> Message:
        return next(arriving)

    async def send(message: Message) -> None:
        sent.append(message)

    path = "/admin/v1/roles/runner"
    headers = {**admin.headers, "content-type": "application/json", "content-length": "100"}
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "scheme": "https",
        "server": ("id.example", 443),
        "client": ("192.0.2.1", 1000),
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
    }
    deployment.http.portal.call(deployment.http.app, scope, receive, send)
    assert sent[0]["status"] == 400
    assert admin.get("/roles/runner").status_code == 200
