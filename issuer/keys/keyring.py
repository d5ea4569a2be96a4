"""The keys of this process: which one signs, and what the world may verify with."""

import hashlib
import json
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from issuer.clock import Clock
from issuer.errors import Unavailable
from issuer.keys import schedule
from issuer.keys.backends import KeyBackend
from issuer.keys.schedule import KeyPolicy, plan_rotation
from issuer.keys.signing_key import SigningKey
from issuer.vocabulary import SigningAlgorithm

_MOST_RACES = 20


@dataclass(frozen=True, slots=True)
class JwksDocument:
    """The published key set, rendered: `application/jwk-set+json`, with its strong ETag."""

    body: bytes
    etag: str


@dataclass(frozen=True, slots=True)
class Signed:
    """A JWT and the key that signed it."""

    token: str = field(repr=False)
    kid: str


class Keyring:
    """Signs with the one active key of an algorithm, and publishes every key that matters."""

    def __init__(
        self,
        backend: KeyBackend,
        clock: Clock,
        policy: KeyPolicy,
        algorithms: Sequence[SigningAlgorithm],
        algorithms_in_use: Callable[[], Collection[str]],
    ) -> None:
        self._backend = backend
        self._clock = clock
        self._policy = policy
        self._algorithms = algorithms
        self._algorithms_in_use = algorithms_in_use
        self._reloading = threading.Lock()
        self.keys: list[SigningKey] = []
        self.jwks = _rendered([])

    def reload(self, _change_count: int | None = None) -> None:
        """See the keys and the audiences' algorithms as they are now."""
        with self._reloading:
            self.keys = self._backend.load()
            self.jwks = _rendered(schedule.publishable(self.keys, self._algorithms_in_use()))

    def put_in_order(self) -> None:
        """Carry out what `plan_rotation` asks for now. Whoever loses a race looks again."""
        for _ in range(_MOST_RACES):
            self.reload()
            # Kept aside: a reload by the watcher must not make an old plan look current.
            seen = self.keys
            plan = plan_rotation(seen, self._clock(), self._policy, self._algorithms)
            for kid in plan.destroy:
                self._backend.destroy(kid)
            if not plan.create:
                return
            # Made outside the transaction: an RSA key can take a tenth of a second and more.
            created = [self._backend.create(wanted) for wanted in plan.create]
            self._backend.store(created, seen=seen)
        raise Unavailable("Other processes keep changing the signing keys.")

    def sign(self, alg: SigningAlgorithm, typ: str, claims: Mapping[str, object]) -> Signed:
        """`claims` as a JWT signed by the active key of `alg` (RFC 7519 §7.1)."""
        key = self.active(alg)
        header = {"alg": alg.value, "kid": key.kid, "typ": typ}
        payload = json.dumps(claims, separators=(",", ":"), ensure_ascii=False).encode()
        return Signed(self._backend.sign(key.kid, header, payload), key.kid)

    def verifying(self, kid: str) -> SigningKey | None:
        """The key of that id, if what it signed may still be believed."""
        return next((key for key in self.keys if key.kid == kid and key.is_usable), None)

    def active(self, alg: SigningAlgorithm) -> SigningKey:
        """The key that signs `alg` now; `Unavailable` if there is none."""
        key = schedule.active(self.keys, alg, self._clock())
        if key is None:
            raise Unavailable(f"There is no active {alg} key.")
        return key


def _rendered(keys: Sequence[SigningKey]) -> JwksDocument:
    body = json.dumps({"keys": [dict(key.public_jwk) for key in keys]}, separators=(",", ":"))
    return JwksDocument(body.encode(), f'"{hashlib.sha256(body.encode()).hexdigest()[:32]}"')
