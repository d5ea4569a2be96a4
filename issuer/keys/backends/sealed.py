"""Private keys in the issuer's own database: the handle is the key itself, in a sealed box."""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from issuer.keys.backends.backend import MadeKey
from issuer.keys.private_key import PrivateKey, generated, public_jwk, read_der, signed
from issuer.keys.sealing import Sealer, is_box
from issuer.vocabulary import SigningAlgorithm


class SealedKeyBackend:
    """The default `KeyBackend`.

    `mark()` is the mark of the master key that the database is sealed under.
    """

    def __init__(self, sealer: Sealer, mark: Callable[[], bytes]) -> None:
        self._sealer = sealer
        self._mark = mark
        self._ready: dict[str, PrivateKey] = {}

    def owns(self, handle: bytes) -> bool:
        return is_box(handle)

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

    def tidy(self) -> None:
        """Nothing to do: a box is part of its row."""
