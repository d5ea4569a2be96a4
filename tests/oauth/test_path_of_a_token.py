"""The path of a token in docs/architecture.md is that of a traced request, and stays short."""

import ast
import base64
import re
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from starlette.testclient import TestClient
from starlette.types import Message

import issuer
from tests.builders import Credentials, Deployment, FakeClock
from tests.drivers import TokenDriver
from tests.issuers import Templates, running, without_resources

SOURCE = Path(issuer.__file__).parent
PAGE = SOURCE.parent / "docs" / "architecture.md"
# What every request passes, whatever it asks for.
AMBIENT = re.compile(
    r"(database|telemetry|background|server|composition)/|clock\.py|directory/change_watcher\.py"
)
MOST_FILES, MOST_CALLS = 24, 150


class Calls:
    """Counts calls of functions of `issuer/` by file and thread, in the order of the first one."""

    def __init__(self) -> None:
        self._calls: Counter[tuple[str, str]] = Counter()

    def clear(self) -> None:
        self._calls.clear()

    def of_a_request(self) -> dict[str, int]:
        """Of the event loop and the audit writer, without what is ambient."""
        loop = next(t for file, t in self._calls if file == "oauth/token_endpoint.py")
        calls: Counter[str] = Counter()
        for (file, thread), number in self._calls.items():
            if thread in {loop, "audit-writer"} and not AMBIENT.match(file):
                calls[file] += number
        return calls

    def __call__(self, frame: FrameType, event: str, _: object) -> None:
        file = frame.f_code.co_filename
        if event == "call" and file.startswith(f"{SOURCE}/"):
            self._calls[file[len(f"{SOURCE}/") :], threading.current_thread().name] += 1


@pytest.fixture
def calls() -> Iterator[Calls]:
    """Counts in every thread that starts from now on."""
    calls = Calls()
    threading.setprofile(calls)
    yield calls
    threading.setprofile(None)  # type: ignore[arg-type]  # as the documentation says
    sys.setprofile(None)


def test_the_path_of_a_token_is_documented_and_short(
    calls: Calls, sqlite_templates: Templates, tmp_path: Path
):
    with (
        sqlite_templates.copy(without_resources, tmp_path) as opened,
        running(opened, FakeClock()) as deployment,
    ):
        deployment.role("runner", ["agents:run"])
        client = deployment.client("svc", roles=["runner"])
        token_endpoint = TokenDriver(deployment.http)
        assert token_endpoint.client_credentials(client, scope="agents:run").status == 200
        calls.clear()
        assert asked(deployment, client) == 200
        traced = calls.of_a_request()
    rows = [f"| {n} | `issuer/{file}` | {subject(file)} |" for n, file in enumerate(traced, 1)]
    assert documented() == rows, "\n".join(["The table is now:", *rows])
    assert len(traced) <= MOST_FILES
    assert sum(traced.values()) <= MOST_CALLS, traced


def asked(deployment: Deployment, client: Credentials) -> int:
    """The status of the answer to a request that arrives at once, as from the HTTP server."""
    body = b"grant_type=client_credentials"
    basic = base64.b64encode(f"{client.client_id}:{client.client_secret}".encode())
    headers = [
        (b"content-type", b"application/x-www-form-urlencoded"),
        (b"content-length", b"%d" % len(body)),
        (b"authorization", b"Basic " + basic),
    ]
    scope: dict[str, Any] = {"type": "http", "method": "POST", "path": "/oauth2/token"}
    scope |= {"query_string": b"", "headers": headers, "client": ("127.0.0.1", 1)}
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": body}

    async def send(message: Message) -> None:
        sent.append(message)

    server: TestClient = deployment.http
    server.portal.call(server.app, scope, receive, send)
    return sent[0]["status"]


def subject(file: str) -> str:
    """The first sentence of its docstring."""
    text = ast.get_docstring(ast.parse((SOURCE / file).read_text("utf-8"))) or ""
    return text.partition("\n")[0]


def documented() -> list[str]:
    section = PAGE.read_text("utf-8").partition("## The path of a token\n")[2].partition("\n## ")[0]
    return re.findall(r"^\| \d+ \| `issuer/.*\|$", section, re.MULTILINE)
