"""Rules broken on purpose, one at a time, to show that the simulation would notice.

The list is at the end; the functions before it replace those of the issuer.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from issuer.database.tables import JwksCacheRow
from issuer.keys import KeyPolicy, Keyring, Keys, SigningKey, keyring, schedule
from issuer.keys.jwks import JwksDocument
from issuer.keys.schedule import (
    RotationPlan,
    destroys_at,
    next_key,
    plan_rotation,
    publishable,
    revoked,
)
from issuer.keys.store import KeyStore
from issuer.vocabulary import (
    KEY_RETENTION,
    MAX_CLOCK_SKEW,
    MAX_TOKEN,
    VERIFIERS_BEHIND,
    SigningAlgorithm,
)

active = schedule.active
carry_out, carry_out_plan = Keys.carry_out, Keyring._carry_out
change, promise = KeyStore.change, KeyStore.promise
Some = Collection[SigningKey]


def no_next_key(keys: Some, now: datetime, *rest: Any) -> RotationPlan:
    plan = plan_rotation(keys, now, *rest)
    return replace(plan, create=tuple(new for new in plan.create if new.activates_at <= now))


def no_end(keys: Some, now: datetime, *rest: Any) -> RotationPlan:
    return replace(plan_rotation(keys, now, *rest), destroy=())


def as_if_nothing_was_promised(keys: Some, now: datetime, *rest: Any) -> RotationPlan:
    *others, _kept_until = rest
    return plan_rotation(keys, now, *others)


def promise_and_forget(store: KeyStore, kept_for: timedelta, now: datetime) -> None:
    promise(store, kept_for, now)
    store._session.get_one(JwksCacheRow, 1).kept_until = None


def carry_out_as_planned(ring: Keyring, plan: RotationPlan, made: Sequence[Any], seen: Any) -> None:
    ring._plan = lambda _seen: plan
    try:
        carry_out_plan(ring, plan, made, seen)
    finally:
        del ring._plan


def carry_out_unchecked(keys: Keys, plan: RotationPlan, made: Sequence[Any], *, seen: Any) -> bool:
    return carry_out(keys, plan, made, seen=keys._store.stored())


def newest(keys: Some, alg: SigningAlgorithm, _now: datetime) -> SigningKey | None:
    usable = [key for key in keys if key.is_usable and key.alg is alg]
    return max(usable, key=lambda key: key.activates_at, default=None)


def active_or_none(keys: Some, alg: SigningAlgorithm, now: datetime) -> SigningKey | None:
    return active([key for key in keys if key.activates_at <= now], alg, now)


def rotated_when_asked(keys: Some, alg: SigningAlgorithm, now: datetime) -> SigningKey:
    following = next_key(keys, alg, now)
    assert following is not None
    return replace(following, activates_at=now)


def not_revoked(keys: Some, key: SigningKey, now: datetime) -> list[SigningKey]:
    return [key, *revoked(keys, key, now)[1:]]


def no_successor(keys: Some, key: SigningKey, now: datetime) -> list[SigningKey]:
    return revoked(keys, key, now)[:1]


def successor_by_this_clock(keys: Some, key: SigningKey, now: datetime) -> list[SigningKey]:
    ended, *promoted = revoked(keys, key, now)
    return [ended, *(replace(each, activates_at=now) for each in promoted)]


def next_end(keys: Some, _now: datetime) -> datetime | None:
    ends = [destroys_at(keys, key) for key in keys if key.is_usable]
    return min(filter(None, ends), default=None)


def next_hand_over(keys: Some, now: datetime) -> datetime | None:
    return min((key.activates_at for key in keys if key.activates_at > now), default=None)


def no_next_key_published(keys: Iterable[SigningKey], algorithms: Any) -> list[SigningKey]:
    return publishable(keys, algorithms)[1:]


def two_newest_published(keys: Iterable[SigningKey], algorithms: Any) -> list[SigningKey]:
    return publishable(keys, algorithms)[:2]


def change_and_keep_the_private_part(store: KeyStore, keys: Sequence[SigningKey]) -> None:
    handles = dict(store.stored().handles)
    change(store, keys)
    store.replace_handles({key.kid: handles[key.kid] for key in keys if key.kid in handles})


@dataclass(frozen=True)
class Mutant:
    """A rule, and how to break it: replace `name` in `where` by `broken`."""

    rule: str
    where: Any
    name: str
    broken: Any


HALF = property(lambda policy: -policy.announce_for / 2)
NONE = property(lambda _policy: timedelta(0))


def longest(_document: JwksDocument, _now: datetime, longest: timedelta) -> int:
    return int(longest.total_seconds())


def trusted_for_less(by: timedelta) -> timedelta:
    return KEY_RETENTION - by


MUTANTS = [
    Mutant("the next key is announced for long enough", KeyPolicy, "seen_by_all_within", HALF),
    Mutant("clocks differ", KeyPolicy, "clocks_apart", NONE),
    Mutant("a process sees late", schedule, "SEEN_WITHIN", timedelta(0)),
    Mutant("tokens outlive a rotation", schedule, "KEY_RETENTION", trusted_for_less(MAX_TOKEN)),
    Mutant(
        "clocks of verifiers are behind",
        schedule,
        "KEY_RETENTION",
        trusted_for_less(VERIFIERS_BEHIND),
    ),
    Mutant("clocks of signers differ", schedule, "KEY_RETENTION", trusted_for_less(MAX_CLOCK_SKEW)),
    Mutant("there is a next key", keyring, "plan_rotation", no_next_key),
    Mutant("a retired key ends", keyring, "plan_rotation", no_end),
    Mutant("promises are kept", keyring, "plan_rotation", as_if_nothing_was_promised),
    Mutant("promises are stored", KeyStore, "promise", promise_and_forget),
    Mutant("keys are dated when stored", Keyring, "_carry_out", carry_out_as_planned),
    Mutant("a plan is for what was seen", Keys, "carry_out", carry_out_unchecked),
    Mutant("no key before its time", schedule, "active", newest),
    Mutant("with a clock behind all keys one signs", schedule, "active", active_or_none),
    Mutant("no early activation of the next key", schedule, "rotated", rotated_when_asked),
    Mutant("revoked is revoked", schedule, "revoked", not_revoked),
    Mutant("the next key takes over", schedule, "revoked", no_successor),
    Mutant("by every clock", schedule, "revoked", successor_by_this_clock),
    Mutant("max-age ends with a hand-over", schedule, "next_change", next_end),
    Mutant("max-age ends with a key", schedule, "next_change", next_hand_over),
    Mutant("max-age ends at all", JwksDocument, "max_age", longest),
    Mutant("the next key is published", schedule, "publishable", no_next_key_published),
    Mutant("a retired key is published", schedule, "publishable", two_newest_published),
    Mutant("the database drops the handle", KeyStore, "change", change_and_keep_the_private_part),
    Mutant("the backend destroys the key", Keyring, "_destroy", lambda *_: None),
]
