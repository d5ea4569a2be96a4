"""The two AgentOS of tests/client/acting_apps.py in a process of their own.

    python acting_servers.py ISSUER SECRET

Prints `{"url": …, "agno": …, "second": …}`, the URLs of the first and the second one.
"""

import contextlib
import json
import signal
import sys
import threading
from importlib.metadata import version

from tests.agentos.server import stop_when_stdin_ends
from tests.client.acting_apps import First, Recorder, second
from tests.client.agno_program import serving


def main(issuer: str, secret: str) -> None:
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    stop_when_stdin_ends()
    with contextlib.ExitStack() as stack:
        second_url = stack.enter_context(serving(Recorder(second(issuer))))
        url = stack.enter_context(serving(First(issuer, second_url, secret).app()))
        started = {"url": url, "agno": version("agno"), "second": second_url}
        sys.stdout.write(json.dumps(started) + "\n")
        sys.stdout.flush()
        stopping.wait()


if __name__ == "__main__":
    main(*sys.argv[-2:])
