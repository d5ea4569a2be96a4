"""Hashing passwords gives way to issuing tokens, and still gets done on a busy machine."""

import subprocess
import sys

import pytest

_PRIORITY = """
import os, sys, threading
os.nice(int(sys.argv[1]))
from issuer.background.workers import low_priority_executor
def priority():
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
print(priority(), low_priority_executor("hashing", 1).submit(priority).result())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="threads have priorities on Linux")
@pytest.mark.parametrize("nice", [0, 15])
def test_threads_that_hash_have_a_tenth_of_a_busy_processor(nice: int):
    """And no higher priority than their process, which only root may give; the lowest is 19."""
    command = [sys.executable, "-c", _PRIORITY, str(nice)]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    process, hashing = map(int, shown.split())
    assert hashing == min(process + 10, 19)
