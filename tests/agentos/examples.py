"""Runs the examples of a page, each in a process forked after importing agno.

    python examples.py FILE

FILE holds a JSON array; each member has the example's `code`, its `requests` and the `folder` it
runs in. Prints one line for each: the statuses of the answers, or the traceback. A request with
`until` is repeated until it has that status, for 20 seconds at most. Those to a whole URL leave
the process.
"""

import json
import os
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import agno.os  # noqa: F401
import fastapi  # noqa: F401
import httpx
from server import stub_agent
from starlette.testclient import TestClient

import issuer.agentos  # noqa: F401


def run(example: dict[str, Any]) -> list[int]:
    os.chdir(example["folder"])
    names = {"stub_agent": stub_agent, "__name__": "example"}
    exec(compile(example["code"], "example", "exec"), names)
    with TestClient(names["app"], base_url="http://127.0.0.1") as http:
        return [status_of(http, **request) for request in example["requests"]]


def status_of(http: httpx.Client, *, until: int | None = None, **request: Any) -> int:
    send = httpx.request if "://" in request["url"] else http.request
    deadline = time.monotonic() + 20
    while (status := send(**request).status_code) != (until or status):
        if time.monotonic() > deadline:
            break
        time.sleep(0.2)
    return status


def main(file: str) -> None:
    for example in json.loads(Path(file).read_text()):
        sys.stdout.flush()
        if os.fork():
            os.wait()
            continue
        try:
            result: Any = run(example)
        except BaseException:
            result = traceback.format_exc()
        sys.stdout.write(json.dumps(result) + "\n")
        sys.stdout.flush()
        os._exit(0)  # without waiting for polling threads


if __name__ == "__main__":
    main(sys.argv[1])
