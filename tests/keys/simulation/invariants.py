"""What must hold at every moment."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from issuer.keys.schedule import KeyState, next_key, state_at
from issuer.vocabulary import SEEN_WITHIN

if TYPE_CHECKING:
    from tests.keys.simulation.world import SimulatedWorld

LONG_AGO, NEVER = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


def exactly_one_key_signs(world: "SimulatedWorld") -> None:
    """Of each algorithm, in each process, by its own clock."""
    for process, signing in world.signing.items():
        keys, now = process.usable, process.clock()
        active = [key.kid for key in keys if state_at(keys, key, now) is KeyState.ACTIVE]
        assert sorted(active) == sorted(signing.values())


def processes_differ_only_by_their_clocks(world: "SimulatedWorld") -> None:
    """Up-to-date processes sign with different keys only around a hand-over."""
    up_to_date = [process for process in world.processes if process.unseen_since is None]
    for alg in world.algorithms:
        kids = {world.signing[process][alg] for process in up_to_date}
        if len(kids) > 1:
            newest = max(world.history.keys[kid].activates_at for kid in kids)
            assert abs(newest - world.now) <= world.clocks_off, kids


def a_key_is_announced_before_it_signs(world: "SimulatedWorld") -> None:
    """To every verifier, whichever process it asks, for the whole of `announce_for`."""
    history = world.history
    for kid in _signing(world) - history.may_sign_early:
        announced_for = world.now - history.last_without.get(kid, LONG_AGO)
        assert announced_for >= history.announced_for[kid], (kid, announced_for)


def a_retired_key_does_not_sign_again(world: "SimulatedWorld") -> None:
    """Once its successor has taken over by every clock, and the process has seen it."""
    for process, signing in world.signing.items():
        if process.unseen_since is None:
            assert not world.history.retired.intersection(signing.values())


def there_is_one_next_key(world: "SimulatedWorld") -> None:
    """By the clock of a process at rest; and never two of them by every clock."""
    for process in world.processes:
        if process.is_at_rest:
            for alg in world.algorithms:
                assert next_key(process.usable, alg, process.clock())
    for alg in world.algorithms:
        keys = [key for key in world.history.usable if key.alg is alg]
        announced = [k.kid for k in keys if k.activates_at > world.now + world.clocks_off]
        assert len(announced) <= 1, announced


def every_valid_token_is_verified(world: "SimulatedWorld") -> None:
    """By every process, and with every key set that a verifier may still cache.

    A key that had to sign early is missing in key sets fetched before every process published it.
    """
    history = world.history
    needed = history.still_trusted(world.now)
    for key_set in world.key_sets:
        for kid in needed - key_set.kids:
            assert kid in history.may_sign_early, (kid, key_set)
            assert key_set.asked_at <= history.made_at[kid] + SEEN_WITHIN, (kid, key_set)


def a_revoked_key_is_refused(world: "SimulatedWorld") -> None:
    """It is in no key set fetched after every process has seen the revocation."""
    for kid, revoked_at in world.history.revoked_at.items():
        for key_set in world.key_sets:
            assert kid not in key_set.kids or key_set.asked_at <= revoked_at + SEEN_WITHIN
        assert kid not in _signing(world) or world.now <= revoked_at + SEEN_WITHIN


def no_max_age_goes_beyond_a_planned_change(world: "SimulatedWorld") -> None:
    """A hand-over, or the end of a retired key, by the clock of the process that answers."""
    for process, signing in world.signing.items():
        now = process.clock()
        following = [key for key in process.usable if key.kid not in signing.values()]
        planned = [key.activates_at for key in following if key.activates_at > now]
        planned += process.ends
        left = min(planned, default=NEVER) - now
        assert process.max_age() <= max(timedelta(0), left)


def a_key_that_is_over_is_destroyed(world: "SimulatedWorld") -> None:
    """As soon as a process that is not busy has run its rotator."""
    for process in world.processes:
        if process.unseen_since is None and not process.is_making_a_key:
            looked_at = process.clock() - process.character.late
            assert all(end >= looked_at for end in process.ends)


def a_private_key_is_destroyed_with_its_key(world: "SimulatedWorld") -> None:
    usable = {key.kid for key in world.history.usable}
    assert world.history.with_private_part == usable
    for process in world.processes:
        if process.unseen_since is None:
            assert process.private_parts.loaded <= usable


INVARIANTS = [
    exactly_one_key_signs,
    processes_differ_only_by_their_clocks,
    a_key_is_announced_before_it_signs,
    a_retired_key_does_not_sign_again,
    there_is_one_next_key,
    every_valid_token_is_verified,
    a_revoked_key_is_refused,
    no_max_age_goes_beyond_a_planned_change,
    a_key_that_is_over_is_destroyed,
    a_private_key_is_destroyed_with_its_key,
]


def check(world: "SimulatedWorld") -> None:
    for invariant in INVARIANTS:
        invariant(world)


def _signing(world: "SimulatedWorld") -> set[str]:
    return {kid for signing in world.signing.values() for kid in signing.values()}
