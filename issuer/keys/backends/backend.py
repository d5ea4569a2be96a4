"""The interface of every key backend."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from issuer.keys.private_key import PrivateKey, generated, public_jwk, read_der, signed
from issuer.keys.sealing import Sealer, is_ciphertext
from issuer.vocabulary import SigningAlgorithm


@dataclass(frozen=True, slots=True)
class MadeKey:
    """A key just made: its public part, and the backend's handle of its private key."""

    public_jwk: Mapping[str, Any]
    handle: bytes = field(repr=False)

    @property
    def kid(self) -> str:
        return str(self.public_jwk["kid"])


class KeyBackend(Protocol):
    """Stores private keys anywhere, and finds them again by a handle.

    The database holds the handle beside the public key. So a key management system or a hardware
    security module can be a backend.
    """

    def owns(self, handle: bytes) -> bool:
        """Whether the handle is one of this backend's."""

    def create(self, alg: SigningAlgorithm, besides: Collection[str] = ()) -> MadeKey:
        """An unused key, none of those `besides`.

        Slow. A key that was not stored in the database may be returned again.
        """

    def load(self, kid: str, alg: SigningAlgorithm, handle: bytes) -> Mapping[str, Any]:
        """Make the key ready to sign; returns the public part derived from the private key.

        `ConfigurationError` if it is missing, or is another key.
        """

    def sign(self, kid: str, header: Mapping[str, object], payload: bytes) -> str:
        """A JWS in compact form, signed by that one loaded key (RFC 7515 §7.1).

        `Unavailable` if it is not loaded, or was destroyed.
        """

    def destroy(self, kid: str, handle: bytes) -> None:
        """Destroy the private key for good. The database no longer has the handle."""

    def cleanup(self) -> None:
        """Delete private keys that a crash left, and that the database no longer uses."""


class SealedKeyBackend:
    """The default `KeyBackend`.

    `mark()` is the mark of the master key that the database is sealed under.
    """

    def __init__(self, sealer: Sealer, mark: Callable[[], bytes]) -> None:
        self._sealer = sealer
        self._mark = mark
        self._ready: dict[str, PrivateKey] = {}

    def owns(self, handle: bytes) -> bool:
        return is_ciphertext(handle)

    def create(self, alg: SigningAlgorithm, besides: Collection[str] = ()) -> MadeKey:
        key = generated(alg)
        kid = key.thumbprint()
        box = self._sealer.seal(key.as_der(private=True), kid, self._mark())
        self._ready[kid] = key  # reading an RSA key again is slow
        return MadeKey(public_jwk(key, alg), box)

    def load(self, kid: str, alg: SigningAlgorithm, handle: bytes) -> Mapping[str, Any]:
        if kid not in self._ready:
            self._ready[kid] = read_der(self._sealer.open(handle, kid), alg)
        return public_jwk(self._ready[kid], alg)

    def sign(self, kid: str, header: Mapping[str, object], payload: bytes) -> str:
        return signed(self._ready.get(kid), header, payload)

    def destroy(self, kid: str, handle: bytes) -> None:
        """The box was deleted with the handle; only this process still has the key."""
        self._ready.pop(kid, None)

    def cleanup(self) -> None:
        """Nothing to do: a box is part of its row."""
