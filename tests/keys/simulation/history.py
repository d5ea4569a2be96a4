"""What happened to the keys in true time, whatever any clock or row says."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby
from operator import attrgetter

from issuer.keys import SigningKey
from issuer.keys.store import StoredKeys
from tests.keys.simulation.key_sets import HeldSet

Keys = Mapping[str, SigningKey]


@dataclass
class History:
    """By `kid`. A key `may_sign_early` if it was the first of its issuer or replaced a revoked one.

    At `last_without` a key set without the key was served for the last time. A token of a key may
    be trusted until `trusted_until`.
    """

    keys: Keys = field(default_factory=dict)
    usable: list[SigningKey] = field(default_factory=list)
    with_private_part: Collection[str] = ()
    made_at: dict[str, datetime] = field(default_factory=dict)
    announced_for: dict[str, timedelta] = field(default_factory=dict)
    last_without: dict[str, datetime] = field(default_factory=dict)
    trusted_until: dict[str, datetime] = field(default_factory=dict)
    revoked_at: dict[str, datetime] = field(default_factory=dict)
    may_sign_early: set[str] = field(default_factory=set)
    retired: set[str] = field(default_factory=set)

    def committed(self, record: StoredKeys, now: datetime, announce_for: timedelta) -> None:
        """`record` was committed, by a process that announces keys for `announce_for`."""
        before, self.keys = self.keys, {key.kid: key for key in record.keys}
        self.usable = [key for key in record.keys if key.is_usable]
        self.with_private_part = record.handles.keys()
        for kid in self.keys.keys() - before.keys():
            self.made_at[kid] = now
            self.announced_for[kid] = announce_for
        self.may_sign_early.update(_first(before, self.keys))
        if now in self.revoked_at.values():
            self.may_sign_early.update(_hurried(before, self.keys))

    def served(self, key_set: HeldSet) -> None:
        for key in self.usable:
            if key.kid not in key_set.kids:
                self.last_without[key.kid] = key_set.asked_at

    def signed(self, kid: str, trusted_until: datetime) -> None:
        self.trusted_until[kid] = max(self.trusted_until.get(kid, trusted_until), trusted_until)

    def revoked(self, kid: str, now: datetime) -> None:
        self.revoked_at.setdefault(kid, now)

    def still_trusted(self, now: datetime) -> set[str]:
        """Keys with valid tokens: not expired, and not revoked."""
        unexpired = {kid for kid, until in self.trusted_until.items() if until > now}
        return unexpired - self.revoked_at.keys()


def _first(before: Keys, after: Keys) -> Iterator[str]:
    """The first to sign, of each algorithm that had no key."""
    had_one = {key.alg for key in before.values() if key.is_usable}
    made = (after[kid] for kid in after.keys() - before.keys())
    made = sorted(made, key=attrgetter("alg", "activates_at"))
    for alg, keys in groupby(made, key=attrgetter("alg")):
        if alg not in had_one:
            yield next(keys).kid


def _hurried(before: Keys, after: Keys) -> Iterator[str]:
    for kid in after.keys() & before.keys():
        if after[kid].activates_at < before[kid].activates_at:
            yield kid
