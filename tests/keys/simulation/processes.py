"""A server: the issuer's own keyring and change watcher, a clock of its own, some slowness."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

from issuer.audit import Actor
from issuer.clock import Clock
from issuer.directory import ChangeWatcher
from issuer.keys import KeyPolicy, Keyring, Keys, SigningKey, schedule
from issuer.vocabulary import SigningAlgorithm
from tests.keys.simulation.key_sets import HeldSet
from tests.keys.simulation.memory import DatabaseInMemory, DiscardingTrail, PrivateParts

if TYPE_CHECKING:
    from tests.keys.simulation.world import SimulatedWorld

OPERATOR = Actor("test:operator")


@dataclass(frozen=True)
class KeySettings:
    """The settings that concern keys, with the rules of `settings.py` for them."""

    sign_for: timedelta
    announce_for: timedelta
    jwks_max_age: timedelta
    jwks_max_stale: timedelta

    def __post_init__(self) -> None:
        assert self.kept_for <= self.announce_for <= self.sign_for

    @property
    def kept_for(self) -> timedelta:
        return self.jwks_max_age + self.jwks_max_stale


@dataclass(frozen=True)
class Character:
    """The imperfections of one process, all within the limits that rotation allows.

    Its clock is ahead by `ahead`; it sees changes `late`; it makes a key in `makes_keys_in`.
    """

    ahead: timedelta
    late: timedelta
    makes_keys_in: timedelta


class ClockOfItsOwn(Clock):
    def __init__(self, world: "SimulatedWorld", ahead: timedelta) -> None:
        self._world = world
        self.ahead = ahead

    def __call__(self) -> datetime:
        return self._world.now + self.ahead

    def monotonic(self) -> float:
        return self._world.now.timestamp()

    def ahead_of(self, _shown: datetime, _asked_at: datetime) -> timedelta:
        return self.ahead


class Process:
    """Built as in `composition/`; the simulation calls what its threads would do."""

    def __init__(self, world: "SimulatedWorld", policy: KeySettings, character: Character) -> None:
        self.world = world
        self.policy = policy
        self.character = character
        self.clock = ClockOfItsOwn(world, character.ahead)
        self.private_parts = PrivateParts(self._make_a_key)
        self.is_making_a_key = False
        self.database = DatabaseInMemory(
            world.record, self.clock, lambda: world.committed(policy.announce_for)
        )
        self.keyring = Keyring(
            self.database,
            DiscardingTrail(),
            [self.private_parts],
            self.clock,
            KeyPolicy(policy.sign_for, policy.announce_for),
            policy.kept_for,
            world.algorithms,
            lambda _now: dict.fromkeys(world.algorithms),
            lambda: True,
        )
        self.changes = ChangeWatcher(self.database, self.clock, (self.keyring.reload,))
        self.unseen_since: datetime | None = None
        self._keys: list[SigningKey] = []
        self._usable: list[SigningKey] = []
        self._ends: list[datetime] = []
        self._changes: list[datetime] = []

    def start(self) -> None:
        self.keyring.reconcile()
        self.keyring.require_loaded()
        self._watch()

    def poll(self) -> None:
        """What the change watcher and the rotator do four times a second."""
        self._watch()
        if not self.is_making_a_key and not self.keyring.is_in_order():
            self.keyring.reconcile()

    def rotate(self, alg: SigningAlgorithm) -> None:
        self._change(lambda keys: keys.rotate(alg))

    def revoke(self, kid: str) -> None:
        def revoke(keys: Keys) -> None:
            keys.revoke(kid)
            self.world.history.revoked(kid, self.world.now)

        self._change(revoke)

    def signing(self) -> dict[SigningAlgorithm, str]:
        """The `kid` of a token it issues now, for each algorithm."""
        algorithms = self.world.algorithms
        return {alg: self.keyring.sign(alg, "at+jwt", {}).kid for alg in algorithms}

    def max_age(self) -> timedelta:
        """The max-age of the key set, if served now."""
        document = self.keyring.jwks
        return timedelta(seconds=document.max_age(self.clock(), self.policy.jwks_max_age))

    def answers(self) -> HeldSet:
        """The key set, as a verifier gets it now and caches it for as long as allowed."""
        kids = kids_of(self.keyring.jwks.body)
        until = self.world.now + self.max_age() + self.policy.jwks_max_stale
        return HeldSet(kids, self.world.now, until)

    @property
    def usable(self) -> list[SigningKey]:
        """The keys it knows that may sign or verify."""
        self._read()
        return self._usable

    @property
    def ends(self) -> list[datetime]:
        """When keys with a successor are destroyed, by its clock."""
        self._read()
        return self._ends

    def changes_by_itself(self) -> Sequence[datetime]:
        """When a key becomes active or is destroyed by its clock, in true time."""
        self._read()
        return self._changes

    def _read(self) -> None:
        """Once for each list of keys: this is called at every moment."""
        if self._keys is not self.keyring.keys:
            self._keys = self.keyring.keys
            self._usable = [key for key in self._keys if key.is_usable]
            ends = (schedule.destroys_at(self._usable, key) for key in self._usable)
            self._ends = [end for end in ends if end]
            dates = [*self._ends, *(key.activates_at for key in self._usable)]
            self._changes = [date - self.clock.ahead for date in dates]

    def looks_around(self) -> Iterator[datetime]:
        """When it notices that, or what other processes have done."""
        yield from (moment + self.character.late for moment in self.changes_by_itself())
        if self.unseen_since is not None:
            yield self.unseen_since + self.character.late

    @property
    def is_at_rest(self) -> bool:
        """Whether it has seen all changes, and has nothing to do."""
        changes_at = self.keyring.jwks.changes_at
        is_over = changes_at is not None and changes_at <= self.clock()
        return not (is_over or self.is_making_a_key or self.unseen_since)

    def _watch(self) -> None:
        before = self.answers()
        self.changes.poll()
        self.unseen_since = None
        if self.answers().kids != before.kids:
            self.world.hold(before)

    def _change(self, change: Callable[[Keys], object]) -> None:
        """As `Administration.changing_keys` does it."""
        self.keyring.reconcile()
        with self.database.changing() as session:
            change(Keys(session, DiscardingTrail(), self.clock))
        self._watch()
        self.keyring.reconcile()

    def _make_a_key(self) -> None:
        self.is_making_a_key = True
        self.world.run_until(self.world.now + self.character.makes_keys_in)
        self.is_making_a_key = False


@lru_cache
def kids_of(key_set: bytes) -> frozenset[str]:
    return frozenset(key["kid"] for key in json.loads(key_set)["keys"])
