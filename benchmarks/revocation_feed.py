"""The cost of the revocation feed, by the number of active revocations.

    python -m benchmarks.revocation_feed [--revocations 100 10000 100000] [--database-url URL]

bytes      size of the feed, as served
write      revoke 200 more tokens, in a transaction of its own
load       a new process reads all revocations
read on    a process reads 200 more revocations of another process
render     render and sign the feed
held       serve it again from memory (microseconds)

Times are CPU times, so that they are the same on a busy machine.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from statistics import median

from issuer.clock import Clock
from issuer.composition import Composition, compose
from issuer.revocations import Revocations, RevocationView
from issuer.revocations.share import FeedLimits
from issuer.tokens.feed import FeedPublisher
from tests.builders import initialised, settings_for

TIMES = 7
ANY_NUMBER = FeedLimits(tokens=10**9)
A_FAMILY = 200


def taken(step: Callable[[], object], times: int = TIMES) -> float:
    """The median CPU time, in seconds."""
    times_taken = []
    for _ in range(times):
        began = time.process_time()
        step()
        times_taken.append(time.process_time() - began)
    return median(times_taken)


class RevokedTokens:
    """Revokes any number of tokens, with ids like those of issued tokens."""

    def __init__(self, services: Composition) -> None:
        self._services = services
        self._number = 0
        self.alg = services.settings.signing_algorithms[0]

    def revoke(self, tokens: int) -> None:
        expires_at = self._services.clock() + timedelta(hours=1)
        ids = range(self._number, self._number + tokens)
        self._number += tokens
        with self._services.database.transaction() as session:
            # Real ids are random: neighbours in the feed are not neighbours in the database.
            scattered = {f"{n * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128:032x}" for n in ids}
            named = dict.fromkeys(scattered, expires_at)
            Revocations(session, self._services.clock, limits=ANY_NUMBER).revoke_tokens(named)

    def view(self) -> RevocationView:
        view = RevocationView(self._services.database, self._services.clock, "", lambda: True)
        assert view.revoked.state.count >= 0
        return view

    def feed(self, view: RevocationView) -> FeedPublisher:
        """One that was never asked."""
        ours = self._services
        return FeedPublisher(
            ours.settings.url,
            ours.database,
            ours.clock,
            ours.keys.keyring,
            view,
            ours.tokens.changes.poll,
        )

    def read_on(self, view: RevocationView) -> float:
        found = []
        for _ in range(TIMES):
            self.revoke(A_FAMILY)
            state = self._services.database.counts().feed
            found.append(taken(partial(view.follow, state), times=1))
        return median(found)

    def row(self, revocations: int) -> str:
        self.revoke(revocations - self._number)
        size = len(self.feed(self.view()).render(self.alg).body)
        load = taken(self.view)
        view = self.view()
        render = taken(lambda: self.feed(view).render(self.alg))
        feed = self.feed(view)
        feed.render(self.alg)
        held = taken(lambda: feed.held(self.alg), times=1000)
        write = taken(lambda: self.revoke(A_FAMILY))
        read_on = self.read_on(view)
        times = (write, load, read_on, render)
        in_ms = "".join(f"{1000 * each:10.1f}" for each in times)
        return f"{revocations:12}{size:12}{in_ms}{1e6 * held:10.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--revocations", type=int, nargs="+", default=[100, 10_000, 100_000])
    parser.add_argument("--database-url", help="must be empty; default: SQLite")
    parser.add_argument("--algorithm", default="RS256")
    options = parser.parse_args()
    print(f"{'revocations':>12}{'bytes':>12}{'write':>10}{'load':>10}{'read on':>10}", end="")
    print(f"{'render':>10}{'held':>10}\n{'':24}{'ms':>10}{'ms':>10}{'ms':>10}{'ms':>10}{'µs':>10}")
    with tempfile.TemporaryDirectory() as folder:
        settings = settings_for(
            Path(folder) / "data", options.database_url, signing_algorithms=options.algorithm
        )
        initialised(settings, Clock())
        services = compose(settings)
        services.keys.keyring.reconcile()
        revoked = RevokedTokens(services)
        for revocations in sorted(options.revocations):
            print(revoked.row(revocations), flush=True)
        services.database.dispose()


if __name__ == "__main__":
    main()
