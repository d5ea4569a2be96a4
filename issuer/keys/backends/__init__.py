"""Where private keys are stored. A backend signs; a private key never leaves it."""

from issuer.keys.backends.backend import KeyBackend, MadeKey
from issuer.keys.backends.folder import FolderKeyBackend
from issuer.keys.backends.sealed import SealedKeyBackend

__all__ = ["FolderKeyBackend", "KeyBackend", "MadeKey", "SealedKeyBackend"]
