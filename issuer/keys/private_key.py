"""Private keys: generating, reading and signing; and the backends that store them."""

import json
import warnings
from collections.abc import Callable, Collection, Mapping
from dataclasses import field
from functools import lru_cache
from typing import Any, Protocol, TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS, PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_private_key, load_pem_private_key
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.util import json_b64encode, urlsafe_b64encode
from pydantic_core import to_json

from issuer.errors import ConfigurationError, Unavailable
from issuer.keys.schedule import SigningKey
from issuer.keys.sealing import Sealer, is_ciphertext
from issuer.values import value
from issuer.vocabulary import SigningAlgorithm

_RSA_BITS = 2048
_P256_BYTES = 32
# Made once: for an ES256 signature they would take a twentieth of its time.
_SHA256, _PKCS1, _ECDSA = SHA256(), PKCS1v15(), ECDSA(SHA256())
_PSS = PSS(MGF1(_SHA256), salt_length=SHA256.digest_size)
PrivateKey: TypeAlias = RSAKey | ECKey | OKPKey
_KEY_TYPES: dict[SigningAlgorithm, type[PrivateKey]] = {
    SigningAlgorithm.RS256: RSAKey,
    SigningAlgorithm.PS256: RSAKey,
    SigningAlgorithm.ES256: ECKey,
    SigningAlgorithm.EDDSA: OKPKey,
    SigningAlgorithm.ED25519: OKPKey,
}

# RFC 9864 renames EdDSA to Ed25519, but agno and PyJWT know only the old name: it stays.
warnings.filterwarnings("ignore", message="EdDSA is deprecated")


@value
class Signed:
    """A JWT and the key that signed it."""

    token: str = field(repr=False)
    kid: str


def header_and_payload(
    key: SigningKey, typ: str, claims: Mapping[str, object]
) -> tuple[dict[str, object], bytes]:
    """The header and payload of a JWT of `claims` by `key` (RFC 7515 §4, RFC 7519 §7.1)."""
    header: dict[str, object] = {"alg": key.alg.value, "kid": key.kid, "typ": typ}
    return header, to_json(claims)


class Forger:
    """Signs with a throwaway key, under the `kid` of `key`."""

    def __init__(self, key: SigningKey) -> None:
        self._claimed = key
        self._used = generate(key.alg)

    def sign(self, typ: str, claims: Mapping[str, object]) -> Signed:
        """A token that claims to be signed with that key; its signature does not verify."""
        header, payload = header_and_payload(self._claimed, typ, claims)
        return Signed(signed(self._used, header, payload), self._claimed.kid)


def generate(alg: SigningAlgorithm) -> PrivateKey:
    """A new key. An RSA key can take a tenth of a second or more; other threads keep running."""
    key: PrivateKey
    match alg:
        case SigningAlgorithm.RS256 | SigningAlgorithm.PS256:
            key = RSAKey.generate_key(_RSA_BITS, private=True)
        case SigningAlgorithm.ES256:
            key = ECKey.generate_key("P-256", private=True)
        case SigningAlgorithm.EDDSA | SigningAlgorithm.ED25519:
            key = OKPKey.generate_key("Ed25519", private=True)
    # A command would parse such a kid as an option.
    return generate(alg) if key.thumbprint().startswith("-") else key


def public_jwk(key: PrivateKey, alg: SigningAlgorithm) -> dict[str, Any]:
    """The published member (RFC 7517 §4), named by its thumbprint (RFC 7638)."""
    public = {**key.as_dict(private=False), "alg": alg.value, "use": "sig", "kid": key.thumbprint()}
    return dict(sorted(public.items()))


def signed(key: PrivateKey | None, header: Mapping[str, object], payload: bytes) -> str:
    """A JWS in compact form (RFC 7515 §7.1); `Unavailable` without a key."""
    if key is None:
        raise Unavailable("The signing key was destroyed.")
    signing_input = _segment_of_header(*header.items()) + b"." + urlsafe_b64encode(payload)
    # Not by joserfc: `jws.serialize_compact` checks header and key at each call, which takes
    # longer than an ES256 signature.
    signature = _SIGN[str(header["alg"])](key.raw_value, signing_input)
    return (signing_input + b"." + urlsafe_b64encode(signature)).decode()


def _es256(key: EllipticCurvePrivateKey, message: bytes) -> bytes:
    r, s = decode_dss_signature(key.sign(message, _ECDSA))
    return r.to_bytes(_P256_BYTES, "big") + s.to_bytes(_P256_BYTES, "big")


# From key and signing input to signature (RFC 7518 §3.3 to §3.5, RFC 8037 §3.1).
_SIGN: dict[str, Callable[[Any, bytes], bytes]] = {
    SigningAlgorithm.RS256: lambda key, message: key.sign(message, _PKCS1, _SHA256),
    SigningAlgorithm.PS256: lambda key, message: key.sign(message, _PSS, _SHA256),
    SigningAlgorithm.ES256: _es256,
    SigningAlgorithm.EDDSA: lambda key, message: key.sign(message),
    SigningAlgorithm.ED25519: lambda key, message: key.sign(message),
}


@lru_cache(maxsize=64)
def _segment_of_header(*members: tuple[str, object]) -> bytes:
    return json_b64encode(dict(members))


def signs(key: PrivateKey, alg: SigningAlgorithm) -> bool:
    """Whether the key is of the type that `alg` needs."""
    return isinstance(key, _KEY_TYPES[alg])


def read_pem(pem: bytes, where: str) -> PrivateKey:
    """A private key that can sign; `ConfigurationError` for anything else, naming `where`."""
    try:
        key = load_pem_private_key(pem, password=None)
    except TypeError:
        raise ConfigurationError(f"{where} is encrypted: it must be without a password.") from None
    except (ValueError, UnsupportedAlgorithm):
        raise ConfigurationError(f"{where} holds no private key that can be read.") from None
    # The parsed key, not the text: joserfc may take another PEM block of the same file.
    if (found := _usable(key)) is None:
        raise ConfigurationError(
            f"{where} holds a key that is neither RSA of {_RSA_BITS} bits or more, nor P-256,"
            " nor Ed25519."
        )
    return found


def _usable(key: object) -> PrivateKey | None:
    """None for a key of a kind or size that the issuer does not sign with."""
    match key:
        case RSAPrivateKey() if key.key_size >= _RSA_BITS:
            return RSAKey.import_key(key)
        case EllipticCurvePrivateKey(curve=SECP256R1()):
            return ECKey.import_key(key)
        case Ed25519PrivateKey():
            return OKPKey.import_key(key)
    return None


def private_text(key: PrivateKey, alg: SigningAlgorithm, *, as_jwk: bool) -> str:
    """The private key for its owner: PEM (RFC 5958), or a JWK with `kid` and `alg`."""
    if not as_jwk:
        return key.as_pem(private=True).decode()
    return json.dumps({**public_jwk(key, alg), **key.as_dict(private=True)}) + "\n"


def public_pem(jwk: Mapping[str, Any]) -> str:
    """The public key of a published member, as PEM (RFC 7468 §13)."""
    kind = _KEY_TYPES[SigningAlgorithm(jwk["alg"])]
    return kind.import_key(dict(jwk)).as_pem(private=False).decode()


@value
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
        """An unused key, none of `besides`; slow. One that was not stored may be given again."""

    def load(self, kid: str, alg: SigningAlgorithm, handle: bytes) -> Mapping[str, Any]:
        """Make the key ready to sign; returns the public part derived from the private key.

        `ConfigurationError` if it is missing, or is another key.
        """

    def sign(self, kid: str, header: Mapping[str, object], payload: bytes) -> str:
        """A JWS in compact form by that key (RFC 7515 §7.1); `Unavailable` if it is not loaded."""

    def destroy(self, kid: str, handle: bytes) -> None:
        """Destroy the private key for good. The database no longer has the handle."""

    def cleanup(self) -> None:
        """Delete private keys that a crash left, and that the database no longer uses."""


class SealedKeyBackend:
    """The default. `mark()` is that of the master key that the database is sealed under."""

    def __init__(self, sealer: Sealer, mark: Callable[[], bytes]) -> None:
        self._sealer = sealer
        self._mark = mark
        self._ready: dict[str, PrivateKey] = {}

    def owns(self, handle: bytes) -> bool:
        return is_ciphertext(handle)

    def create(self, alg: SigningAlgorithm, besides: Collection[str] = ()) -> MadeKey:
        key = generate(alg)
        kid = key.thumbprint()
        box = self._sealer.seal(key.as_der(private=True), kid, self._mark())
        self._ready[kid] = key  # reading an RSA key again is slow
        return MadeKey(public_jwk(key, alg), box)

    def load(self, kid: str, alg: SigningAlgorithm, handle: bytes) -> Mapping[str, Any]:
        if kid not in self._ready:
            der = self._sealer.open(handle, kid)
            # Validating an RSA key takes 40 ms. This one we made and sealed: nobody changed it.
            key = _usable(load_der_private_key(der, None, unsafe_skip_rsa_key_validation=True))
            if key is None or not signs(key, alg):
                raise ConfigurationError(f"A sealed key cannot sign {alg}.")
            self._ready[kid] = key
        return public_jwk(self._ready[kid], alg)

    def sign(self, kid: str, header: Mapping[str, object], payload: bytes) -> str:
        return signed(self._ready.get(kid), header, payload)

    def destroy(self, kid: str, handle: bytes) -> None:
        """The box was deleted with the handle; only this process still has the key."""
        self._ready.pop(kid, None)

    def cleanup(self) -> None:
        """Nothing to do: a box is part of its row."""
