"""Signing keys: announced, active, retired, destroyed; and the one place that signs.

The state of a key follows from its dates. A private key never leaves its backend.
"""

from issuer.keys.keyring import Keyring
from issuer.keys.keys import Keys
from issuer.keys.schedule import KeyPolicy, SigningKey

__all__ = ["KeyPolicy", "Keyring", "Keys", "SigningKey"]
