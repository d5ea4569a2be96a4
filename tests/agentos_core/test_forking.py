"""Servers fork workers after loading the app: each worker polls for itself."""

import subprocess
import sys
import time
from subprocess import PIPE
from threading import Event

import pytest

from tests.agentos_core.conftest import eventually
from tests.agentos_core.hostile_server import FEED, KEYS, HostileServer, answer, held_until
from tests.agentos_core.keys import key, key_set


@pytest.mark.parametrize("how", ["fork", "multiprocessing"])
def test_a_forked_child_polls_for_itself(server: HostileServer, how: str):
    """Also a child forked while a fetch of its parent is in progress."""
    released = Event()
    server.at(KEYS, answer(key_set(key()), cache_control="max-age=1"))
    server.publish_feed(feed(server.url), cache_control="max-age=1")
    command = [sys.executable, "-m", "tests.agentos_core.forking_process", how, server.url, "new"]
    with subprocess.Popen(command, stdin=PIPE, stdout=PIPE, text=True, bufsize=1) as parent:
        assert parent.stdin
        assert parent.stdout
        assert parent.stdout.readline() == "ready\n"
        server.at(KEYS, held_until(released, answer(key_set(key(), key("new")))))
        more = answer(feed(server.url, gone=4_000_000_000).encode(), content_type="application/jwt")
        server.at(FEED, held_until(released, more))
        asked = server.asked[KEYS]
        assert eventually(lambda: server.asked[KEYS] > asked)
        parent.stdin.write("\n")
        assert parent.stdout.readline() == "forked\n"
        released.set()
    assert parent.returncode == 0


def feed(issuer: str, **jti: int) -> str:
    now = int(time.time())
    claims = {"iss": issuer, "iat": now, "exp": now + 600}
    revoked = {"jti": jti, "sid": {}, "sub": {}, "client_id": {}, "aud": {}, "kid": []}
    return key().sign({**claims, "revoked": revoked}, typ="revocations+jwt")
