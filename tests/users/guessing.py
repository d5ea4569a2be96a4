"""A simulation of sign-in attempts that applies only the policy, on a virtual clock."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from issuer.users.attempts import DAY, AttemptPolicy, Counted, Counts, Tries

START = datetime(2026, 11, 26, tzinfo=UTC)
USER = "alice"


@dataclass
class SignInSimulation:
    """Attempts at one user; `tried_at` lists wrong passwords checked from unknown addresses."""

    policy: AttemptPolicy
    now: datetime = START
    known: set[str] = field(default_factory=set)
    through_client: bool = False
    tried_at: list[datetime] = field(default_factory=list)
    counts: defaultdict[tuple[Counted, str], Tries] = field(
        default_factory=lambda: defaultdict(Tries)
    )

    def attempt(self, address: str, *, right: bool) -> bool:
        """Whether the sign-in succeeded: the password is right, and was checked."""
        keys = self._keys(address)
        counts: Counts = {what: self.counts[what, of] for what, of in keys.items()}
        if not self.policy.admits(counts, self.now):
            return False
        counts = self.policy.count(counts, self.now)
        counts = self.policy.succeed(counts) if right else self.policy.fail(counts)
        self.counts.update({(what, keys[what]): tries for what, tries in counts.items()})
        if right:
            self.known.add(address)
        elif address not in self.known:
            self.tried_at.append(self.now)
        return right

    def wait(self, duration: timedelta) -> None:
        self.now += duration

    def wait_until_admitted(self, address: str) -> timedelta:
        """How long it takes until a password may be tried from there."""
        limits = self.policy.limits
        until = max(
            limits[what].next_try_at(self.counts[what, of], self.now)
            for what, of in self._keys(address).items()
        )
        waited = max(until - self.now, timedelta(0))
        self.now += waited
        return waited

    def _keys(self, address: str) -> dict[Counted, str]:
        if address in self.known:
            return {Counted.USER_AT_KNOWN_ADDRESS: address}
        if self.through_client:
            return {Counted.USER: USER}
        return {Counted.USER: USER, Counted.ADDRESS: address}


def max_in_a_day(instants: Iterable[datetime]) -> int:
    """The maximum number within any 24 hours."""
    most, window = 0, list[datetime]()
    for instant in instants:
        window.append(instant)
        while window[0] + DAY <= instant:
            window.pop(0)
        most = max(most, len(window))
    return most
