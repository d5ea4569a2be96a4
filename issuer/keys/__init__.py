"""Signing keys: announced, active, retired, destroyed; and the one place that signs.

The state of a key follows from its dates. A private key never leaves its backend.
"""

from issuer.keys.keyring import Keyring
from issuer.keys.keys import Keys
from issuer.keys.private_key import Forger, Signed
from issuer.keys.rotator import Rotator
from issuer.keys.schedule import KeyPolicy, KeyState, RotationPlan, SigningKey, plan_rotation

__all__ = [
    "Forger",
    "KeyPolicy",
    "KeyState",
    "Keyring",
    "Keys",
    "RotationPlan",
    "Rotator",
    "Signed",
    "SigningKey",
    "plan_rotation",
]
