"""A key set (RFC 7517), read key by key, and the tokens that were verified with it."""

import json
import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from types import MappingProxyType
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt import PyJWK, PyJWTError

from issuer.agentos.errors import NotFetched
from issuer.agentos.rules import ED25519, known_name

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
MAX_TOKENS = 4096

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TrustedKey:
    """A public key and the one algorithm it verifies (RFC 8725 §3.1), `EdDSA` for `Ed25519`."""

    kid: str
    alg: str
    public: Any


Keys = Mapping[str, TrustedKey]


class VerifiedTokens:
    """The last 4,096 tokens verified with one key set, by hash, until they expire.

    A new key set starts with an empty cache, so tokens of removed keys are not found. The caller
    checks revocation each time.
    """

    def __init__(self) -> None:
        self._adding = threading.Lock()
        self._entries: dict[bytes, tuple[float, float, str, bytes]] = {}

    def has(self, token: str, now: float) -> bool:
        """Whether this token was verified and has not expired."""
        return self._entry(token, now) is not None

    def find(self, token: str, now: float) -> tuple[str, dict[str, Any]] | None:
        """The `kid` and a copy of the claims of such a token; None if it must be verified first."""
        known = self._entry(token, now)
        return (known[2], json.loads(known[3])) if known else None

    def add(self, token: str, kid: str, claims: dict[str, Any], starts: float, ends: float) -> None:
        entry = starts, ends, kid, json.dumps(claims).encode()
        with self._adding:
            if len(self._entries) >= MAX_TOKENS:
                del self._entries[next(iter(self._entries))]
            self._entries[_digest(token)] = entry

    def _entry(self, token: str, now: float) -> tuple[float, float, str, bytes] | None:
        known = self._entries.get(_digest(token))
        return known if known and known[0] <= now < known[1] else None


def _digest(token: str) -> bytes:
    return sha256(token.encode("utf-8", "surrogatepass")).digest()


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
