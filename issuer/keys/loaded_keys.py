"""The keys this process can sign with, each by the backend that holds its private key."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from issuer.errors import ConfigurationError, Unavailable
from issuer.keys.backends import KeyBackend, MadeKey
from issuer.keys.signed import Signed, header_and_payload
from issuer.keys.signing_key import SigningKey
from issuer.vocabulary import SigningAlgorithm


class LoadedKeys:
    """By `kid`. The first of `backends` makes new keys; the others still have old ones."""

    def __init__(self, backends: Sequence[KeyBackend]) -> None:
        self._backends = backends
        self._backend_of: dict[str, KeyBackend] = {}

    def __contains__(self, key: SigningKey) -> bool:
        return key.kid in self._backend_of

    def made(self, algorithms: Iterable[SigningAlgorithm]) -> list[MadeKey]:
        """An unused key for each algorithm. Slow: an RSA key can take a tenth of a second."""
        made: dict[str, MadeKey] = {}
        for alg in algorithms:
            key = self._backends[0].create(alg, besides=made.keys())
            made[key.kid] = key
        return list(made.values())

    def load(self, key: SigningKey, handle: bytes) -> SigningKey:
        """The key with the public part derived from its private key, whatever the database holds.

        `ConfigurationError` if no backend has the private key.
        """
        backend = next((each for each in self._backends if each.owns(handle)), None)
        if backend is None:
            raise ConfigurationError(
                f"The private key of {key.kid} is in a key folder: set ISSUER_KEY_FOLDER."
            )
        public = backend.load(key.kid, key.alg, handle)
        self._backend_of[key.kid] = backend
        return replace(key, public_jwk=public)

    def sign(self, key: SigningKey, typ: str, claims: Mapping[str, object]) -> Signed:
        """`claims` as a JWT signed by that key (RFC 7519 §7.1); `Unavailable` if not loaded."""
        if (backend := self._backend_of.get(key.kid)) is None:
            raise Unavailable(f"The key {key.kid} cannot sign here.")
        header, payload = header_and_payload(key, typ, claims)
        return Signed(backend.sign(key.kid, header, payload), key.kid)

    def destroy(self, kid: str, handle: bytes) -> None:
        """Destroy its private key in this process and its backend."""
        if backend := self._backend_of.pop(kid, None):
            backend.destroy(kid, handle)

    def tidy(self) -> None:
        """Delete what a crash left of destroyed keys."""
        for backend in self._backends:
            backend.tidy()
