"""What polling revocations costs an AgentOS, and how soon a revoked token is refused.

    python -m benchmarks.following_revocations [--revocations 10000] [--rounds 10]

First without a server: the size of a feed, the cost of parsing it, for how long that blocks another
thread, and the cost of a look-up for a token that was verified before. Then with a real issuer that
has so many active revocations: the time from the commit of one more to its refusal by a verifier
that polls at the usual interval, and the cost per request.
"""

import argparse
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

import jwt

from issuer.agentos.issuer_token_verifier import TrustedIssuer
from issuer.agentos.key_set import read_key_set
from issuer.agentos.revocations import RevokedEntries, read_feed
from issuer.agentos.rules import TokenRules
from issuer.revocations import Revocations as Revoking
from issuer.revocations.share import FeedLimits
from tests.agentos_core.keys import key, key_set
from tests.journeys.running_issuer import RunningIssuer, wait_until

ISSUER = "https://id.example"
REQUESTS = 20_000


def show_reading(count: int) -> None:
    now = int(time.time())
    jti = {uuid.uuid4().hex: now + 900 for _ in range(count)}
    claims = {"iss": ISSUER, "iat": now, "exp": now + 600}
    signing = key("k1", "RS256")
    revoked = {"jti": jti, "sid": {}, "sub": {}, "client_id": {}, "aud": {}, "kid": []}
    feed = signing.sign({**claims, "revoked": revoked}, typ="revocations+jwt").encode()
    keys = read_key_set(key_set(signing), ["RS256"])
    rules = TokenRules(ISSUER, "my-os")
    with standing_still() as pauses:
        started = time.thread_time()
        known = read_feed(feed, keys, RevokedEntries(), rules, now).after(RevokedEntries(), 70)
        first = time.thread_time() - started
        started = time.thread_time()
        known = read_feed(feed, keys, known, rules, now).after(known, 70)
        again = time.thread_time() - started
    look_up = per_call(lambda: known.refuse("k1", {**ONE, "iat": now}))
    print(
        f"{count:9,}{len(feed):12,}{first * 1e3:12.1f}{again * 1e3:12.1f}"
        f"{max(pauses, default=0) * 1e3:12.1f}{look_up * 1e6:12.2f}"
    )


ONE = {"jti": uuid.uuid4().hex, "sub": "usr_alice", "client_id": "svc_tests"}


def per_call(call: Callable[[], object]) -> float:
    started = time.thread_time()
    for _ in range(REQUESTS):
        call()
    return (time.thread_time() - started) / REQUESTS


@contextmanager
def standing_still() -> Iterator[list[float]]:
    """How much longer than a millisecond another thread slept each time."""
    pauses: list[float] = []
    stopped = threading.Event()

    def sleep() -> None:
        while not stopped.is_set():
            before = time.perf_counter()
            time.sleep(0.001)
            pauses.append(time.perf_counter() - before - 0.001)

    thread = threading.Thread(target=sleep)
    thread.start()
    time.sleep(0.05)
    pauses.clear()
    yield pauses
    stopped.set()
    thread.join()


def show_refusals(revocations: int, rounds: int) -> None:
    with tempfile.TemporaryDirectory() as folder, RunningIssuer(Path(folder)) as issuer:
        expires_at = datetime.now(UTC) + timedelta(minutes=15)
        services, limits = issuer.deployment.services, FeedLimits(tokens=10 * revocations)
        with services.database.changing() as session:
            many = {uuid.uuid4().hex: expires_at for _ in range(revocations)}
            Revoking(session, services.clock, limits=limits).revoke_tokens(many)
        client = issuer.deployment.client(scopes=["agents:read"])
        rules = TokenRules(issuer.url, "my-os")
        verifier, without = TrustedIssuer(rules), TrustedIssuer(rules, revocations=False)
        for each in (verifier, without):
            each.start()
        wait_until(lambda: entries(verifier) >= revocations, 30, "the feed is followed")
        taken = []
        for _ in range(rounds):
            token = issuer.token_endpoint.client_credentials(client).token
            claims = verifier.claims(token)
            with issuer.deployment.changing() as work:
                work.revocations.revoke_tokens({claims["jti"]: expires_at})
            started = time.monotonic()
            wait_until(lambda shown=token: not is_good(verifier, shown), 30, "it is refused")
            taken.append(time.monotonic() - started)
        feed = issuer.http.get("/.well-known/revocations")
        token = issuer.token_endpoint.client_credentials(client).token
        costs = [request_cost(each, token) for each in (without, verifier, without, verifier)]
        for each in (verifier, without):
            each.stop()
    print(f"The issuer's feed has {len(feed.content):,} bytes for {entries(verifier):,} tokens.")
    plain, followed = min(costs[::2]), min(costs[1::2])
    print(f"A token that was verified before: {plain:.2f} µs, {followed:.2f} µs with the feed.")
    print(f"From a revocation to its refusal: median {median(taken):.1f} s, max {max(taken):.1f} s")


def entries(issuer: TrustedIssuer) -> int:
    return (issuer.status()["revocations"]["entries"] or {}).get("jti", 0)


def request_cost(issuer: TrustedIssuer, token: str) -> float:
    """Microseconds."""
    issuer.claims(token)
    return per_call(lambda: issuer.recall(token)) * 1e6


def is_good(verifier: TrustedIssuer, token: str) -> bool:
    try:
        return bool(verifier.claims(token))
    except jwt.InvalidTokenError:
        return False


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--revocations", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args()
    titles = ("entries", "bytes", "read ms", "again ms", "stall ms", "look-up µs")
    print("".join(f"{title:>{9 if n == 0 else 12}}" for n, title in enumerate(titles)))
    for count in (0, 10_000, 100_000):
        show_reading(count)
    show_refusals(options.revocations, options.rounds)


if __name__ == "__main__":
    main()
