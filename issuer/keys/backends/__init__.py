"""Where private keys are stored. A backend signs; a private key never leaves it."""

from issuer.keys.backends.backend import KeyBackend, MadeKey, SealedKeyBackend
from issuer.keys.backends.folder import FolderKeyBackend

__all__ = ["FolderKeyBackend", "KeyBackend", "MadeKey", "SealedKeyBackend"]
