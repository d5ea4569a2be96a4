"""The first AgentOS of tests/client/acting_apps.py, which calls the second one.

    python acting_first.py ISSUER SECRET SECOND_URL

Prints what `tests/agentos/server.py` prints.
"""

import signal
import sys

from tests.agentos.server import serve, stop_when_stdin_ends
from tests.client.acting_apps import First

if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    stop_when_stdin_ends()
    issuer, secret, second_url = sys.argv[-3:]
    serve(First(issuer, second_url, secret).app(), 0)
