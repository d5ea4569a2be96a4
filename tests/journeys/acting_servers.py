"""The two AgentOS of tests/client/acting_apps.py, each in a process of its own.

    python acting_servers.py ISSUER SECRET

Prints `{"url": …, "agno": …, "second": …}`, the URLs of the first and the second one.
"""

import json
import signal
import sys
import threading
from importlib.metadata import version

from tests.agentos.server import stop_when_stdin_ends
from tests.client.acting_apps import First, second_alone
from tests.client.agno_program import serving


def main(issuer: str, secret: str) -> None:
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    stop_when_stdin_ends()
    with (
        second_alone(issuer) as second_url,
        serving(First(issuer, second_url, secret).app()) as url,
    ):
        started = {"url": url, "agno": version("agno"), "second": second_url}
        sys.stdout.write(json.dumps(started) + "\n")
        sys.stdout.flush()
        stopping.wait()


if __name__ == "__main__":
    main(*sys.argv[-2:])
