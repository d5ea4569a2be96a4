"""A process that polls an issuer and forks. Arguments: how, the issuer, the kid to wait for.

It prints "ready", forks at a line of input, prints "forked", and exits with 0 if the child has
fetched the key and the revocations.
"""

import asyncio
import gc
import multiprocessing
import os
import sys
import time
from collections.abc import Callable
from typing import Any

from issuer.agentos.issuer_token_verifier import TrustedIssuer
from issuer.agentos.rules import TokenRules, Unverified


def main(how: str, url: str, awaited: str) -> int:
    issuer = TrustedIssuer(TokenRules(url, "my-os"), algorithms=["ES256"])
    issuer.start()
    wait_for(issuer, "k1")
    wait_until(lambda: status_of_feed(issuer)["entries"] is not None)
    print_line("ready")
    sys.stdin.readline()
    child = multiprocessing.get_context("fork").Process(target=run_child, args=[issuer, awaited])
    if how == "multiprocessing":
        child.start()
    elif (pid := os.fork()) == 0:
        os._exit(run_child(issuer, awaited))
    issuer.stop()
    print_line("forked")
    if how == "multiprocessing":
        child.join()
        return child.exitcode or 0
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def run_child(issuer: TrustedIssuer, awaited: str) -> int:
    """The child starts with the key set that its parent held."""
    gc.collect()
    assert [key["kid"] for key in issuer.status()["keys"]] == ["k1"]
    asyncio.run(issuer.prepare_for(Unverified({}, {}, b"", b"")))  # as the first request does
    wait_for(issuer, awaited)
    wait_until(lambda: status_of_feed(issuer)["entries"]["jti"] == 1)
    return 0


def wait_for(issuer: TrustedIssuer, kid: str) -> None:
    wait_until(lambda: kid in {key["kid"] for key in issuer.status()["keys"]})


def status_of_feed(issuer: TrustedIssuer) -> dict[str, Any]:
    return issuer.status()["revocations"]


def wait_until(is_so: Callable[[], bool]) -> None:
    ends = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < ends
        time.sleep(0.01)


def print_line(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
