"""Runs several AgentOS with the adapter in one process, each on a port of its own.

    python -m tests.agentos.adapter.server --apps apps.json

The file maps names to settings: `configuration` is a function of `configurations.py` or
`exposures.py` (by default the name), `port` is where to listen (by default any), the rest are its
arguments. It prints what
`tests/agentos/server.py` prints, and `urls`.
One process for all, because importing agno takes most of the time.
"""

import argparse
import json
import os
import signal
import socket
import sys
import threading
from importlib.metadata import version
from pathlib import Path
from typing import Any

import uvicorn

from tests.agentos.adapter import configurations, exposures
from tests.agentos.server import stop_when_stdin_ends

APPS = "ADAPTER_TEST_APPS"


def built(name: str, settings: dict[str, Any]) -> Any:
    settings = {setting: value for setting, value in settings.items() if setting != "port"}
    wanted = settings.pop("configuration", name)
    module = configurations if hasattr(configurations, wanted) else exposures
    return getattr(module, wanted)(**settings)


def only_app() -> Any:
    """The only app of the file, for worker processes, which build it themselves."""
    ((name, settings),) = read_apps(os.environ[APPS]).items()
    return built(name, settings)


def read_apps(path: str) -> dict[str, dict[str, Any]]:
    return json.loads(Path(path).read_text())


def serve_all(apps: dict[str, dict[str, Any]], listeners: dict[str, socket.socket]) -> None:
    """Serve until SIGTERM, every app in a thread and an event loop of its own."""
    servers = {name: uvicorn.Server(config(built(name, apps[name]))) for name in apps}
    threads = [
        threading.Thread(target=server.run, args=[[listeners[name]]], daemon=True)
        for name, server in servers.items()
    ]
    for thread in threads:
        thread.start()
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    print_urls(listeners)
    stopping.wait()
    for server in servers.values():
        server.should_exit = True
    for thread in threads:
        thread.join()


def serve_in_workers(listeners: dict[str, socket.socket], workers: int) -> None:
    (listener,) = listeners.values()
    print_urls(listeners)
    uvicorn.run(
        "tests.agentos.adapter.server:only_app",
        factory=True,
        workers=workers,
        fd=listener.fileno(),
        log_level="warning",
    )


def config(app: Any) -> uvicorn.Config:
    return uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=1)


def print_urls(listeners: dict[str, socket.socket]) -> None:
    urls = {
        name: f"http://127.0.0.1:{listener.getsockname()[1]}"
        for name, listener in listeners.items()
    }
    output = {"url": next(iter(urls.values())), "agno": version("agno"), "urls": urls}
    print(json.dumps(output), flush=True)  # noqa: T201


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--apps", required=True)
    parser.add_argument("--workers", type=int, default=1)
    options, _ = parser.parse_known_args(arguments)
    stop_when_stdin_ends()
    apps = read_apps(options.apps)
    listeners = {
        name: socket.create_server(("127.0.0.1", settings.get("port", 0)))
        for name, settings in apps.items()
    }
    if options.workers == 1:
        serve_all(apps, listeners)
    else:
        os.environ[APPS] = options.apps
        serve_in_workers(listeners, options.workers)


if __name__ == "__main__":
    main(sys.argv[1:])
