"""Answers of an AgentOS in each configuration, without a server.

    python -m tests.agentos.adapter.answers FILE

FILE holds a JSON array of questions; it prints the answers in that order.
"""

import json
import sys
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from tests.agentos.adapter import configurations

Question = dict[str, Any]


def answers(questions: list[Question]) -> list[dict[str, Any]]:
    """Questions with the same `app` and `settings` are put to one app."""
    apps: dict[str, TestClient] = {}
    return [answer(client_of(apps, question), question["request"]) for question in questions]


def client_of(apps: dict[str, TestClient], question: Question) -> TestClient:
    name = json.dumps([question["app"], question["settings"]])
    if name not in apps:
        app = getattr(configurations, question["app"])(**question["settings"])
        apps[name] = TestClient(app, base_url="http://127.0.0.1")
    return apps[name]


def answer(client: TestClient, request: dict[str, Any]) -> dict[str, Any]:
    response = client.request(**request)
    return {
        "status": response.status_code,
        "headers": dict(response.headers),
        "text": response.text,
    }


if __name__ == "__main__":
    print(json.dumps(answers(json.loads(Path(sys.argv[1]).read_text()))))  # noqa: T201
