"""The admin API and the pages are built with the first request for one of them."""

import asyncio
import threading
from collections.abc import Callable, MutableMapping
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route, Router

from issuer.http.middleware import BuiltOnFirstUse
from tests.builders import Deployment

SCRAPER = "metrics-0123456789abcdef"
Messages = list[MutableMapping[str, Any]]


def application() -> Starlette:
    return Starlette(routes=[Route("/", lambda _: PlainTextResponse("Here."))])


def built_by(build: Callable[[], Starlette]) -> BuiltOnFirstUse:
    return BuiltOnFirstUse(build, Router())


async def status_of(app: BuiltOnFirstUse) -> int:
    sent: Messages = []

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": []}
    await app(scope, receive, send)
    status: int = sent[0]["status"]
    return status


def test_first_requests_at_the_same_time_wait_for_one_build():
    entered, gate = [], threading.Event()

    def build() -> Starlette:
        entered.append(threading.current_thread())
        gate.wait()
        return application()

    async def ask() -> list[int]:
        app = built_by(build)
        asking = [asyncio.create_task(status_of(app)) for _ in range(3)]
        await asyncio.sleep(0)
        gate.set()  # reached only if the event loop does not wait for the build
        return await asyncio.gather(*asking)

    assert asyncio.run(ask()) == [200, 200, 200]
    assert len(entered) == 1


def test_after_an_error_the_next_request_builds_it_again():
    builds = iter([MemoryError("none left"), application()])

    def build() -> Starlette:
        built = next(builds)
        if isinstance(built, MemoryError):
            raise built
        return built

    app = built_by(build)
    with pytest.raises(MemoryError):
        asyncio.run(status_of(app))
    assert asyncio.run(status_of(app)) == 200


@pytest.mark.parametrize("database_kind", ["sqlite"])
@pytest.mark.parametrize("more_settings", [{"metrics_token": SCRAPER}])
def test_tokens_keys_and_probes_build_nothing(deployment: Deployment):
    http = deployment.http
    client = deployment.client("ci-bot", scopes=["agents:run"])
    form = {"grant_type": "client_credentials"}
    answers = [
        http.post("/oauth2/token", data=form, auth=(client.client_id, client.client_secret)),
        http.get("/.well-known/jwks.json"),
        http.get("/.well-known/oauth-authorization-server"),
        http.get("/.well-known/revocations"),
        http.get("/healthz"),
        http.get("/readyz"),
        http.get("/metrics", headers={"Authorization": f"Bearer {SCRAPER}"}),
    ]
    assert [each.status_code for each in answers] == [200] * len(answers)
    rest = http.app.rest  # type: ignore[attr-defined]
    assert rest.built is None
    assert http.get("/admin/v1/roles").status_code == 401
    assert rest.built is not None
