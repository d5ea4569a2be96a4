"""Reads a JWK Set (RFC 7517) key by key: an invalid key does not affect the others."""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt import PyJWK, PyJWTError

from issuer.agentos.errors import NotFetched
from issuer.agentos.rules import ED25519, known_name
from issuer.agentos.verified_tokens import VerifiedTokens

_KEY_TYPES = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), ("RSA", None)),
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
    "EdDSA": ("OKP", "Ed25519"),
}
SUPPORTED = frozenset({*_KEY_TYPES, ED25519})
_SECRETS = frozenset({"k", "d", "p", "q", "dp", "dq", "qi", "oth"})  # RFC 7518 §6
_SMALLEST_RSA = 2048
_MAX_KEYS = 100

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """A public key and the one algorithm it verifies (RFC 8725 §3.1), `EdDSA` for `Ed25519`."""

    kid: str
    alg: str
    public: Any


Keys = Mapping[str, TrustedKey]


@dataclass(frozen=True, slots=True)
class KeySet:
    """The keys by `kid`, and the tokens verified with exactly these keys."""

    keys: Keys
    verified: VerifiedTokens = field(default_factory=VerifiedTokens)

    def has(self, kid: str | None) -> bool:
        return kid in self.keys


def read_key_set(body: bytes, algorithms: Sequence[str]) -> Keys:
    """The keys of the document that verify one of `algorithms`, by `kid`.

    Keys without a `kid`, and symmetric, private or weak ones or those for another use, are
    skipped and logged. `NotFetched` if no key is usable.
    """
    keys: dict[str, TrustedKey] = {}
    for jwk in entries_of(body)[:_MAX_KEYS]:
        try:
            key = trusted_key(jwk, algorithms)
        except (PyJWTError, ValueError, TypeError) as error:
            log.warning("A key of the key set is not used: %s", error)
        else:
            keys.setdefault(key.kid, key)
    if not keys:
        raise NotFetched(f"holds no key that verifies {' or '.join(algorithms)}")
    return MappingProxyType(keys)


def entries_of(body: bytes) -> list[Any]:
    """The unparsed keys of a JWK Set; `NotFetched` if it is not one."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise NotFetched("is not JSON") from None
    keys = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(keys, list):
        raise NotFetched('is not a JWK Set: it has no array "keys"')
    return keys


def trusted_key(jwk: Any, algorithms: Sequence[str]) -> TrustedKey:
    """The key of one entry; `PyJWTError`, `ValueError` or `TypeError` says why it is not used."""
    if not isinstance(jwk, dict):
        raise TypeError("it is not a JSON object")
    kid = jwk.get("kid")
    if not isinstance(kid, str) or not kid:
        raise ValueError("it has no kid")
    if not _SECRETS.isdisjoint(jwk):
        raise ValueError(f"{kid!r} contains secret key material, which must not be published")
    if jwk.get("use", "sig") != "sig" or "verify" not in jwk.get("key_ops", ["verify"]):
        raise ValueError(f"{kid!r} is not for verifying signatures")
    alg = _algorithm(jwk, [known_name(each) for each in algorithms])
    public = PyJWK(jwk, algorithm=alg).key
    if isinstance(public, RSAPublicKey) and public.key_size < _SMALLEST_RSA:
        raise ValueError(f"{kid!r} has {public.key_size} bits; the minimum is {_SMALLEST_RSA}")
    return TrustedKey(kid, alg, public)


def _algorithm(jwk: Mapping[str, Any], algorithms: Sequence[str]) -> str:
    """The key's `alg`, else the first of `algorithms` that its type allows."""
    of_its_type = (jwk.get("kty"), jwk.get("crv"))
    for alg in algorithms:
        if _KEY_TYPES[alg] == of_its_type and known_name(jwk.get("alg", alg)) == alg:
            return alg
    raise ValueError(f"{jwk['kid']!r} is for another algorithm than {' or '.join(algorithms)}")
