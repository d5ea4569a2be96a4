"""Changes of signing keys and of the master key; every one is written to the audit log."""

from collections.abc import Sequence
from dataclasses import replace

from issuer.audit import Trail
from issuer.clock import Clock
from issuer.database import Session
from issuer.errors import NotFound
from issuer.keys import schedule, sealed_secrets_store
from issuer.keys.private_key import MadeKey
from issuer.keys.schedule import RotationPlan, SigningKey
from issuer.keys.sealing import Sealer, is_ciphertext
from issuer.keys.store import KeyStore, StoredKeys
from issuer.vocabulary import SigningAlgorithm


class Keys:
    """The signing keys, within one transaction. Errors are those of `issuer.errors`."""

    def __init__(self, session: Session, trail: Trail, clock: Clock) -> None:
        self._store = KeyStore(session)
        self._trail = trail
        self._clock = clock

    def all(self) -> tuple[SigningKey, ...]:
        """Every key, destroyed ones included."""
        return self._store.stored().keys

    def get(self, kid: str) -> SigningKey:
        found = next((key for key in self.all() if key.kid == kid), None)
        if found is None:
            raise NotFound("key", kid)
        return found

    def rotate(self, alg: SigningAlgorithm, **details: object) -> SigningKey:
        """The next key of `alg` signs from now on, or `NotYet`. `details` are audited."""
        key = self.rotatable(alg)
        self._store.change([key])
        self._trail.note("key.activated", key.kid, alg=alg, **details)
        return key

    def rotatable(self, alg: SigningAlgorithm) -> SigningKey:
        """The key that `rotate` would activate; `NotYet` if it was announced too recently."""
        return schedule.rotated(self.all(), alg, self._clock())

    def revoke(self, kid: str) -> SigningKey:
        """The key neither signs nor verifies any more. If it was active, the next key signs."""
        key = self.get(kid)
        if key.revoked_at is not None:
            return key
        ended, *promoted = schedule.revoked(self.all(), key, self._clock())
        self._store.change([ended, *promoted])
        self._trail.note("key.revoked", kid, alg=key.alg)
        for successor in promoted:
            self._trail.note("key.activated", successor.kid, alg=key.alg)
        return ended

    def carry_out(self, plan: RotationPlan, made: Sequence[MadeKey], *, seen: StoredKeys) -> bool:
        """Carry out `plan` if the keys are still those it was made from; else False.

        `made` are the keys to create, in the order of the plan. Of several processes with the
        same plan, one acts, and the others plan again.
        """
        if self._store.stored() != seen:
            return False
        for wanted, each in zip(plan.create, made, strict=True):
            self._store.add(wanted.as_key(each.kid, each.public_jwk), each.handle)
            dates = {"activates_at": wanted.activates_at.isoformat()}
            self._trail.note("key.announced", each.kid, alg=wanted.alg, **dates)
        for key in seen.keys:
            if key.kid in plan.destroy:
                self._store.change([replace(key, destroyed_at=self._clock())])
                self._trail.note("key.destroyed", key.kid, alg=key.alg)
        return True


def rewrap(session: Session, sealer: Sealer, trail: Trail) -> int:
    """Rewrap all secrets and keys under the first master key; how many keys were changed.

    `ConfigurationError` if something does not open. Every process seals under the master key that
    the database is sealed under, so processes that hold both keys keep working.
    """
    sealed_secrets_store.rewrap(session, sealer)
    store = KeyStore(session)
    handles = store.stored().handles
    boxes = {kid: box for kid, box in handles.items() if is_ciphertext(box)}
    rewrapped = {kid: sealer.rewrap(box, kid) for kid, box in boxes.items()}
    changed = {kid: box for kid, box in rewrapped.items() if box != boxes[kid]}
    store.replace_handles(changed)
    if changed:
        trail.note("key.rewrapped", "master-key", keys=sorted(changed))
    return len(changed)
