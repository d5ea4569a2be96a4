"""The environment of the tests."""

import signal
import subprocess
import sys

STARTED_IN_THE_BACKGROUND = """
import signal, subprocess, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
import tests.conftest
signal.raise_signal(signal.SIGINT)
child = "import signal; signal.raise_signal(signal.SIGINT)"
sys.exit(subprocess.run([sys.executable, "-c", child], stderr=subprocess.DEVNULL).returncode)
"""


def test_child_processes_can_be_interrupted_where_the_tests_ignore_it():
    """As under `make test &`."""
    ended = subprocess.run([sys.executable, "-c", STARTED_IN_THE_BACKGROUND], check=False)
    assert ended.returncode == 256 - signal.SIGINT
