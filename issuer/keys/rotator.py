"""What keeps the keys in order while a process runs."""

from datetime import timedelta

import structlog

from issuer.clock import Clock
from issuer.keys.keyring import Keyring
from issuer.keys.schedule import state_at
from issuer.keys.signing_key import KeyState, SigningKey
from issuer.periodic import Periodic

LOOK_EVERY = timedelta(milliseconds=250)
# A folder that holds no further key may stay so for days.
TRY_AGAIN_AFTER = timedelta(seconds=10)

log = structlog.get_logger(__name__)


class Rotator:
    """Looks often and in memory; only what has to be done costs a query.

    Every process has one. Which of them acts is decided in the database.
    """

    def __init__(self, keyring: Keyring, clock: Clock) -> None:
        self._keyring = keyring
        self._clock = clock
        self._seen: dict[str, KeyState] = {}
        self._not_before = clock.monotonic()
        self._looking = Periodic("key-rotator", LOOK_EVERY, self.look)

    def start(self) -> None:
        self._seen = {key.kid: state for key, state in self._states()}
        self._looking.start()

    def stop(self) -> None:
        self._looking.stop()

    def look(self) -> None:
        """Put the keys in order if they are not, and say what has become of each.

        What fails is tried again only after a while.
        """
        if not self._keyring.is_in_order():
            self._try()
        for key, state in self._states():
            if key.kid not in self._seen:
                log.info("key_announced", kid=key.kid, alg=key.alg)
            was = self._seen.get(key.kid, KeyState.ANNOUNCED)
            if state is not was:
                became = "revoked" if key.revoked_at else state
                log.info(f"key_{became}", kid=key.kid, alg=key.alg, was=was)
            self._seen[key.kid] = state

    def _try(self) -> None:
        now = self._clock.monotonic()
        if now < self._not_before:
            return
        try:
            self._keyring.put_in_order()
        except Exception:
            self._not_before = now + TRY_AGAIN_AFTER.total_seconds()
            raise

    def _states(self) -> list[tuple[SigningKey, KeyState]]:
        keys, now = self._keyring.keys, self._clock()
        return [(key, state_at(keys, key, now)) for key in keys]
