"""Small HTTP servers on loopback that verify tokens, correctly or not, or publish keys."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

import jwt


class Reply(NamedTuple):
    """The answer of a server."""

    status: int
    body: bytes = b"{}"
    headers: Mapping[str, str] = {}


Answering = Callable[[str | None], Reply]
KeySet = Mapping[str, Any]


@contextmanager
def serving(answering: Answering) -> Iterator[str]:
    """The URL of a server that answers every GET by its bearer token, or None without one."""

    class VerifierHandler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            reply = answering(self.headers.get("Authorization", "").removeprefix("Bearer ") or None)
            self.send_response(reply.status)
            for name, value in {"Content-Length": str(len(reply.body)), **reply.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(reply.body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), VerifierHandler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/agents"
        finally:
            server.shutdown()


def publishing(key_set: Callable[[], KeySet]) -> Answering:
    """Answers with the current key set."""
    return lambda _: Reply(200, json.dumps(key_set()).encode())


def verifying(key_set: Callable[[], KeySet], trusted: int = 200) -> Answering:
    """401 for anything but a token signed by a key of the set; dates are not checked."""

    def answer(token: str | None) -> Reply:
        return Reply(trusted if token and is_signed(token, key_set()) else 401)

    return answer


def is_signed(token: str, key_set: KeySet) -> bool:
    keys = {each["kid"]: jwt.PyJWK(each) for each in key_set["keys"]}
    key = keys.get(jwt.get_unverified_header(token)["kid"])
    undated = {"verify_aud": False, "verify_exp": False, "verify_iat": False}
    try:
        return key is not None and bool(jwt.decode(token, key, options=undated))
    except jwt.InvalidSignatureError:
        return False


def without(kid: str, key_set: KeySet) -> KeySet:
    """The key set without that key, as an older one."""
    return {"keys": [each for each in key_set["keys"] if each["kid"] != kid]}
