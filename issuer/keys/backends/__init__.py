"""Where private keys live. A backend signs; a private part never leaves it."""

from issuer.keys.backends.backend import KeyBackend, MadeKey
from issuer.keys.backends.folder import FolderKeyBackend
from issuer.keys.backends.sealed import SealedKeyBackend

__all__ = ["FolderKeyBackend", "KeyBackend", "MadeKey", "SealedKeyBackend"]
