"""Rotates the keys while a process runs."""

from collections.abc import Sequence
from datetime import timedelta

from issuer.background.periodic import Periodic
from issuer.clock import Clock
from issuer.keys.keyring import Keyring
from issuer.keys.schedule import KeyState, SigningKey, next_change, state_at
from issuer.telemetry.logs import get_logger

POLL_INTERVAL = timedelta(milliseconds=250)
# So often at least everything is checked; a change of state that is known, when it comes.
CHECK_INTERVAL = timedelta(seconds=1)
# A key folder may be without a next key for days.
TRY_AGAIN_AFTER = timedelta(seconds=10)

log = get_logger(__name__)


class Rotator:
    """Checks often, in memory; queries the database only when something has to be done.

    Every process has one. The database decides which of them acts.
    """

    def __init__(self, keyring: Keyring, clock: Clock) -> None:
        self._keyring = keyring
        self._clock = clock
        self._seen: dict[str, KeyState] = {}
        self._not_before = self._check_at = clock.monotonic()
        self._checked: Sequence[SigningKey] | None = None
        self.job = Periodic("key-rotator", POLL_INTERVAL, self.poll)

    def start(self) -> None:
        self._seen = {key.kid: state for key, state in self._states()}
        self.job.start()

    def stop(self) -> None:
        self.job.stop()

    def poll(self) -> None:
        """Rotate keys if it is time, and log every change of a key's state.

        After a failure, the next attempt is `TRY_AGAIN_AFTER` later.
        """
        keys, monotonic = self._keyring.keys, self._clock.monotonic()
        if keys is self._checked and monotonic < self._check_at:
            return
        now = self._clock()
        changes = filter(None, (next_change(keys, now), self._keyring.jwks.changes_at))
        until_then = min([CHECK_INTERVAL, *(at - now for at in changes)])
        if not self._keyring.is_in_order() and monotonic >= self._not_before:
            self._not_before = monotonic + TRY_AGAIN_AFTER.total_seconds()
            self._keyring.reconcile()
            self._not_before = monotonic  # it has succeeded
        self._note_states()
        self._checked, self._check_at = keys, monotonic + until_then.total_seconds()

    def _note_states(self) -> None:
        for key, state in self._states():
            if key.kid not in self._seen:
                log.info("key_announced", kid=key.kid, alg=key.alg)
            was = self._seen.get(key.kid, KeyState.ANNOUNCED)
            if state is not was:
                became = "revoked" if key.revoked_at else state
                log.info(f"key_{became}", kid=key.kid, alg=key.alg, was=was)
            self._seen[key.kid] = state

    def _states(self) -> list[tuple[SigningKey, KeyState]]:
        keys, now = self._keyring.keys, self._clock()
        return [(key, state_at(keys, key, now)) for key in keys]
