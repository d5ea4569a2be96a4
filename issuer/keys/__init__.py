"""Signing keys: announced, active, retired, destroyed; and the one place that signs.

The state of a key follows from its dates. A private part never leaves its backend.
"""

from issuer.keys.keyring import Keyring, Signed
from issuer.keys.keys import Keys
from issuer.keys.rotator import Rotator
from issuer.keys.schedule import KeyPolicy, Plan, plan_rotation
from issuer.keys.signing_key import KeyState, SigningKey

__all__ = [
    "KeyPolicy",
    "KeyState",
    "Keyring",
    "Keys",
    "Plan",
    "Rotator",
    "Signed",
    "SigningKey",
    "plan_rotation",
]
