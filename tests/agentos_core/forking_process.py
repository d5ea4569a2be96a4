"""A process that follows, and forks. Its arguments: how, the issuer, and the kid to wait for.

It says "ready", forks at a line of its input, says "forked", and ends with 0 if the child has
met the key, and what was revoked.
"""

import asyncio
import gc
import multiprocessing
import os
import sys
import time
from collections.abc import Callable
from typing import Any

from issuer.agentos.rules import TokenRules, Unverified
from issuer.agentos.trusted_issuer import TrustedIssuer


def main(how: str, url: str, awaited: str) -> int:
    issuer = TrustedIssuer(TokenRules(url, "my-os"), algorithms=["ES256"])
    issuer.start()
    wait_for(issuer, "k1")
    wait_until(lambda: status_of_feed(issuer)["entries"] is not None)
    say("ready")
    sys.stdin.readline()
    child = multiprocessing.get_context("fork").Process(target=live, args=[issuer, awaited])
    if how == "multiprocessing":
        child.start()
    elif (pid := os.fork()) == 0:
        os._exit(live(issuer, awaited))
    issuer.stop()
    say("forked")
    if how == "multiprocessing":
        child.join()
        return child.exitcode or 0
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def live(issuer: TrustedIssuer, awaited: str) -> int:
    """The life of the child, which is born with what its parent knew."""
    gc.collect()
    assert [key["kid"] for key in issuer.status()["keys"]] == ["k1"]
    asyncio.run(issuer.prepare_for(Unverified({}, {})))  # as the first request has it do
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


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
