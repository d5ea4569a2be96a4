"""An HTTP server, as a program, that fails in every way at random, and keeps what it received.

Arguments: port, file for the lines, seed; with the seed 0 it does not fail.
"""

import os
import signal
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random
from typing import Any

from tests.audit.push.receivers import reset

FAULTS = ["killed before", "killed after", "reset before", "reset after", "503", "hangs"]
LIKELY = [4, 4, 2, 2, 2, 1]
PROBABILITY = 0.6
LONGER_THAN_THE_ISSUER_WAITS = 12


class FailingReceiver(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, port: int, file: Path, seed: int) -> None:
        super().__init__(("127.0.0.1", port), KeepingHandler)
        self.random = Random(seed)
        self.fails = seed != 0
        self.file = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def fault(self) -> str:
        if not self.fails or self.random.random() > PROBABILITY:
            return "none"
        return self.random.choices(FAULTS, LIKELY)[0]


class KeepingHandler(BaseHTTPRequestHandler):
    server: FailingReceiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        what, _, when = self.server.fault().partition(" ")
        if when != "before" and what != "503":
            os.write(self.server.file, body)
        if what == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        elif what == "reset":
            reset(self.connection)
        elif what == "hangs":
            time.sleep(LONGER_THAN_THE_ISSUER_WAITS)
        else:
            self.send_response(503 if what == "503" else 204)
            self.send_header("content-length", "0")
            self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


if __name__ == "__main__":
    FailingReceiver(int(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])).serve_forever()
