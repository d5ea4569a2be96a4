"""What keeps the keys in order while a process runs."""

from collections.abc import Mapping
from datetime import timedelta

import structlog

from issuer.clock import Clock
from issuer.keys.keyring import Keyring
from issuer.keys.schedule import state_at
from issuer.keys.signing_key import KeyState
from issuer.periodic import Periodic

LOOK_EVERY = timedelta(milliseconds=250)

log = structlog.get_logger(__name__)


class Rotator:
    """Looks often and in memory; only what has to be done costs a query.

    Every process has one. Which of them acts is decided in the database.
    """

    def __init__(self, keyring: Keyring, clock: Clock) -> None:
        self._keyring = keyring
        self._clock = clock
        self._seen: Mapping[str, KeyState] = {}
        self._looking = Periodic("key-rotator", LOOK_EVERY, self.look)

    def start(self) -> None:
        self._seen = self._states()
        self._looking.start()

    def stop(self) -> None:
        self._looking.stop()

    def look(self) -> None:
        """Put the keys in order if they are not, and say what has become of each."""
        if not self._keyring.is_in_order():
            self._keyring.put_in_order()
        states = self._states()
        for kid in states.keys() - self._seen.keys():
            log.info("key_announced", kid=kid)
        for kid, was in self._seen.items():
            if was is not states[kid]:
                log.info(f"key_{states[kid]}", kid=kid, was=was)
        self._seen = states

    def _states(self) -> dict[str, KeyState]:
        keys, now = self._keyring.keys, self._clock()
        return {key.kid: state_at(keys, key, now) for key in keys}
