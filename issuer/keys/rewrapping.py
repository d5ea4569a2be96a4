"""Changing the master key while servers run.

Every process seals under the master key that the database is sealed under, so processes that
hold both keys keep working.
"""

from issuer.audit import Trail
from issuer.database import Session
from issuer.keys import sealed_secrets_store
from issuer.keys.sealing import Sealer, is_ciphertext
from issuer.keys.store import KeyStore


def rewrap(session: Session, sealer: Sealer, trail: Trail) -> int:
    """Rewrap all secrets and keys under the first master key; how many keys were changed.

    `ConfigurationError` if something does not open.
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
