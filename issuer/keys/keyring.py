"""The keys of this process: which one signs, and which are published for verifiers."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from issuer.audit import Actor, Trails
from issuer.clock import Clock
from issuer.database import Database
from issuer.database.deployment import require_clock
from issuer.errors import ConfigurationError, Unavailable
from issuer.keys import schedule
from issuer.keys.jwks import JwksDocument, render
from issuer.keys.keys import Keys
from issuer.keys.private_key import KeyBackend, MadeKey, Signed, header_and_payload
from issuer.keys.schedule import KeyPolicy, RotationPlan, SigningKey, plan_rotation
from issuer.keys.store import KeyStore, StoredKeys
from issuer.telemetry.logs import get_logger
from issuer.vocabulary import SigningAlgorithm

_MAX_RACES = 20
_ROTATOR = Actor("issuer:rotator")

log = get_logger(__name__)


@dataclass(eq=False)
class Keyring:
    """Signs with the active key of an algorithm, and publishes every key a verifier may need.

    The first of `backends` makes new keys; the others still have old ones. Verifiers may cache
    the key set for `kept_for`. A key that is not loaded here neither signs nor is published. None
    is destroyed while `may_destroy` returns False.
    """

    database: Database
    trails: Trails
    backends: Sequence[KeyBackend]
    clock: Clock
    policy: KeyPolicy
    kept_for: timedelta
    algorithms: Sequence[SigningAlgorithm]
    algorithms_in_use: Callable[[datetime], Mapping[SigningAlgorithm, datetime | None]]
    may_destroy: Callable[[], bool]
    keys: list[SigningKey] = field(default_factory=list, init=False)
    published_algorithms: list[SigningAlgorithm] = field(default_factory=list, init=False)
    jwks: JwksDocument = field(default=render([]), init=False)
    _reloading: threading.Lock = field(default_factory=threading.Lock, init=False)
    _stored: StoredKeys = field(default=StoredKeys(), init=False)
    _backend_of: dict[str, KeyBackend] = field(default_factory=dict, init=False)  # by `kid`
    _usable: list[SigningKey] = field(default_factory=list, init=False)
    # Which of them sign, and until when.
    _active: dict[SigningAlgorithm, tuple[SigningKey, datetime | None]] = field(
        default_factory=dict, init=False
    )

    def reload(self, _change_count: int | None = None) -> None:
        """Read the keys and the audiences' algorithms from the database.

        A key that cannot be loaded neither signs nor is published: a public key in the database
        without its private key may be an attacker's. `require_loaded` makes a start fail then.
        """
        with self._reloading:
            before = self._stored
            with self.database.reading() as session:
                self._stored = KeyStore(session).stored()
            self._destroy(before)
            self.keys = [self._with_private_part(key) for key in self._stored.keys]
            self._usable = [key for key in self.keys if key.is_usable]
            self._active = {}  # a new one: threads may still be adding to the old one
            self.jwks = self._publish()
            seen = self._stored
        if any(seen.handles.get(kid) != box for kid, box in before.handles.items()):
            self.database.erasure.run()

    def require_loaded(self) -> None:
        """`ConfigurationError` if this process cannot load a key that may still sign or verify."""
        for key in self._usable:
            if key.kid not in self._backend_of:
                self._load(key)

    def reconcile(self) -> None:
        """Carry out what `plan_rotation` asks for now. Plans again after a lost race.

        `Unavailable` if there is something to do and this machine's clock is wrong.
        """
        for _ in range(_MAX_RACES):
            self.reload()
            # Kept aside: a reload by the watcher must not make an old plan look current.
            seen = self._stored
            if seen.kept_for != self.kept_for:
                # Key sets served before may still be cached for the longer time.
                with self.database.changing() as session:
                    KeyStore(session).promise(self.kept_for, self.clock())
                continue
            plan = self._plan(seen)
            if not plan:
                return
            require_clock(self.database, self.clock)
            # Outside the transaction: an RSA key can take a tenth of a second.
            made: dict[str, MadeKey] = {}
            for new in plan.create:
                key = self.backends[0].create(new.alg, besides=made.keys())
                made[key.kid] = key
            self._carry_out(plan, list(made.values()), seen)
        raise Unavailable("Other processes keep changing the signing keys.")

    def is_in_order(self) -> bool:
        """Whether nothing has to be done, judged by what is in memory."""
        changes_at = self.jwks.changes_at
        is_over = changes_at is not None and changes_at <= self.clock()
        return not is_over and not self._plan(self._stored)

    def sign(self, alg: SigningAlgorithm, typ: str, claims: Mapping[str, object]) -> Signed:
        """`claims` as a JWT signed by the active key of `alg` (RFC 7519 §7.1)."""
        return self.sign_with(self.active(alg), typ, claims)

    def sign_with(self, key: SigningKey, typ: str, claims: Mapping[str, object]) -> Signed:
        """`claims` as a JWT signed by that key, active or not; `Unavailable` if not loaded."""
        if (backend := self._backend_of.get(key.kid)) is None:
            raise Unavailable(f"The key {key.kid} cannot sign here.")
        header, payload = header_and_payload(key, typ, claims)
        return Signed(backend.sign(key.kid, header, payload), key.kid)

    def verifying(self, kid: str) -> SigningKey | None:
        """The key of that id, if its signatures may still be trusted."""
        return next((key for key in self._verifiable() if key.kid == kid), None)

    def active(self, alg: SigningAlgorithm) -> SigningKey:
        """The key that signs `alg` now; `Unavailable` if there is none, or not in this process."""
        now, active = self.clock(), self._active
        key, until = active.get(alg, (None, None))
        if key is None or now < key.activates_at or (until is not None and until <= now):
            found = schedule.active(self._usable, alg, now)
            key = self._require(found, f"There is no active {alg} key.")
            active[alg] = key, schedule.retires_at(self._usable, key)
        return key

    def next_key(self, alg: SigningAlgorithm) -> SigningKey:
        """The key that signs `alg` next; `Unavailable` if there is none, or not in this process."""
        key = schedule.next_key(self._usable, alg, self.clock())
        return self._require(key, f"There is no next {alg} key.")

    def cleanup(self) -> None:
        """Delete what a crash left of destroyed keys."""
        for backend in self.backends:
            backend.cleanup()
        self.database.erasure.run()

    def _require(self, key: SigningKey | None, otherwise: str) -> SigningKey:
        if key is None or key.kid not in self._backend_of:
            raise Unavailable(otherwise)
        return key

    def _carry_out(self, plan: RotationPlan, made: Sequence[MadeKey], seen: StoredKeys) -> None:
        """Plans again first: the dates count from the commit, not from when a key was made."""
        with self.database.changing() as session:
            current = self._plan(seen)
            if current.algorithms == plan.algorithms:
                trail = self.trails.begin(session, _ROTATOR)
                Keys(session, trail, self.clock).carry_out(current, made, seen=seen)

    def _plan(self, seen: StoredKeys) -> RotationPlan:
        now = self.clock()
        plan = plan_rotation(seen.keys, now, self.policy, self.algorithms, seen.kept_until)
        # In this order: the watch has seen a clock that was set before `now`.
        return replace(plan, destroy=()) if plan.destroy and not self.may_destroy() else plan

    def _publish(self) -> JwksDocument:
        now = self.clock()
        in_use = self.algorithms_in_use(now)
        self.published_algorithms = [alg for alg in self.algorithms if alg in in_use]
        keys = schedule.publishable(self._verifiable(), in_use)
        changes = [schedule.next_change(keys, now), *in_use.values()]
        if self._plan(self._stored).destroy:
            changes.append(now)  # a key is over, and published until it is destroyed
        return render(keys, min(filter(None, changes), default=None))

    def _verifiable(self) -> list[SigningKey]:
        return [key for key in self._usable if key.kid in self._backend_of]

    def _with_private_part(self, key: SigningKey) -> SigningKey:
        """The loaded key, or the key as stored if it cannot be loaded."""
        if not key.is_usable:
            return key
        try:
            return self._load(key)
        except ConfigurationError as error:
            log.critical("key_not_loaded", kid=key.kid, alg=key.alg, cause=str(error))
            return key

    def _load(self, key: SigningKey) -> SigningKey:
        """The key with the public part derived from its private key, whatever the database holds.

        `ConfigurationError` if no backend has the private key.
        """
        handle = self._stored.handles.get(key.kid, b"")
        backend = next((each for each in self.backends if each.owns(handle)), None)
        if backend is None:
            raise ConfigurationError(
                f"The private key of {key.kid} is in a key folder: set ISSUER_KEY_FOLDER."
            )
        public = backend.load(key.kid, key.alg, handle)
        self._backend_of[key.kid] = backend
        return replace(key, public_jwk=public)

    def _destroy(self, before: StoredKeys) -> None:
        """Destroy private keys here that this or another process has revoked or destroyed."""
        for kid in before.handles.keys() - self._stored.handles.keys():
            if backend := self._backend_of.pop(kid, None):
                backend.destroy(kid, before.handles[kid])
