"""Servers fork their workers after they have loaded the app: each follows by itself."""

import subprocess
import sys

import pytest

from tests.agentos_core.hostile_server import KEYS, HostileServer, answer
from tests.agentos_core.keys import key, key_set


@pytest.mark.parametrize("how", ["fork", "multiprocessing"])
def test_a_child_follows_by_itself(server: HostileServer, how: str):
    server.at(KEYS, answer(key_set(key()), cache_control="max-age=1"))
    command = [sys.executable, "-m", "tests.agentos_core.forking_process", how, server.url, "new"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        assert parent.stdout.readline() == "forked\n"
        server.at(KEYS, answer(key_set(key(), key("new")), cache_control="max-age=1"))
    assert parent.returncode == 0
