"""Public keys of others: which are accepted; verifying their tokens. Imports PyJWT."""

import hashlib
import json
from base64 import urlsafe_b64encode
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from types import MappingProxyType
from typing import Any, TypeAlias

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt import PyJWTError
from jwt.utils import base64url_decode

from issuer.agentos.errors import NotFetched
from issuer.agentos.key_set import Keys, TrustedKey, entries_of, trusted_key
from issuer.agentos.rules import Unverified, known_name, read_unverified, require_signed
from issuer.errors import IssuerError
from issuer.fields.json import strict_json
from issuer.telemetry.logs import get_logger
from issuer.vocabulary import SigningAlgorithm

PublicKeys: TypeAlias = Keys

ALGORITHMS = tuple(alg.value for alg in SigningAlgorithm)
LEEWAY = timedelta(seconds=10)
MAX_JTI = 255
_YEAR_9999 = 253_370_764_800  # the last year of `datetime`, to which no margin can be added
_MEMBERS = ("kty", "crv", "n", "e", "x", "y", "kid", "alg", "use", "key_ops")
_SECRETS = frozenset({"k", "d", "p", "q", "dp", "dq", "qi", "oth"})  # RFC 7518 §6
_OF_THUMBPRINT = {"RSA": "e kty n", "EC": "crv kty x y", "OKP": "crv kty x"}  # RFC 7638 §3.2
_LONGEST = 1_500  # RSA of 8,192 bits has 1,366
_MAX_RSA_BITS = 8_192
_MAX_EXPONENT_BITS = 32  # a check takes a hundred times as long with as many as the modulus has
_MAX_KID = 255
_MAX_KEYS = 100
_MAX_READY = 1_000
# Points of small order, without the sign: with one of them, anybody can make a signature.
_SMALL_ORDER = {
    bytes.fromhex(text)
    for text in (
        "00" * 32,
        "01" + "00" * 31,
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "ec" + "ff" * 30 + "7f",
        "ed" + "ff" * 30 + "7f",
        "ee" + "ff" * 30 + "7f",
    )
}

log = get_logger(__name__)


class InvalidToken(IssuerError):
    """None of the keys has signed it, and why. It never repeats the token."""


class UnknownKey(InvalidToken):
    """None of the keys can have signed it; there may be newer ones."""


@dataclass(frozen=True, slots=True)
class SignedToken:
    """A JWT. Nothing in `unverified` is to be trusted before `claims_by` returns."""

    text: str
    unverified: Unverified

    @property
    def kid(self) -> str | None:
        return self.unverified.kid

    @property
    def typ(self) -> str | None:
        """In lower case, without `application/` (RFC 7515 §4.1.9); None if it is no text."""
        typ = self.unverified.header.get("typ", "")
        return typ.lower().removeprefix("application/") if isinstance(typ, str) else None

    def claims_by(self, keys: PublicKeys) -> dict[str, Any]:
        """The claims, if one of the keys has signed them; `InvalidToken` or `UnknownKey`.

        The algorithm is the key's, not the header's (RFC 8725 §3.1).
        """
        if "crit" in self.unverified.header or "b64" in self.unverified.header:
            raise InvalidToken("the header requires an extension")
        candidates = self._candidates(keys)
        if not candidates:
            raise UnknownKey("no key of this kid and algorithm")
        for key in candidates:
            with suppress(PyJWTError):
                require_signed(self.unverified, key.public, key.alg)
                return self.unverified.claims
        raise InvalidToken("the signature is wrong")

    def _candidates(self, keys: PublicKeys) -> list[TrustedKey]:
        """The key that the header names; without a name, those of the algorithm (RFC 7515 §6)."""
        alg = known_name(self.unverified.header.get("alg"))
        named = keys.values() if self.kid is None else filter(None, [keys.get(self.kid)])
        return [key for key in named if alg == key.alg]


def parse_token(text: str) -> SignedToken:
    """The JWT in the text, at most 16 KiB, its JSON read in one way only; `InvalidToken`."""
    try:
        token = SignedToken(text, read_unverified(text))
        for part in text.split(".")[:2]:
            strict_json(base64url_decode(part))
    except PyJWTError:
        raise InvalidToken("not a JWT") from None
    except (ValueError, RecursionError):
        raise InvalidToken("not JSON in UTF-8 with each member once") from None
    return token


def accept_jwks(jwks: Iterable[object], algorithms: Sequence[str]) -> list[dict[str, Any]]:
    """`accept_jwk` of every key; `ValueError` names the key, also if two have one `kid`."""
    accepted: dict[str, dict[str, Any]] = {}
    for number, key in enumerate(jwks, start=1):
        try:
            jwk = accept_jwk(key, algorithms)
        except ValueError as error:
            raise ValueError(f"key {number} {error}") from None
        if jwk["kid"] in accepted:
            raise ValueError("has two keys with the same kid")
        accepted[jwk["kid"]] = jwk
    return list(accepted.values())


def accept_jwk(jwk: object, algorithms: Sequence[str]) -> dict[str, Any]:
    """The members of a public key that count, with its `kid` and `alg` (RFC 7517 §4).

    A key without `kid` gets its thumbprint (RFC 7638), one without `alg` the first of the
    `algorithms` that its type allows. `ValueError` says why a key is refused.
    """
    if not isinstance(jwk, dict):
        raise ValueError("must be a JSON object")  # noqa: TRY004 - pydantic wants this one
    if not _SECRETS.isdisjoint(jwk):
        raise ValueError("holds a private or symmetric key: give the public key alone")
    members = {name: jwk[name] for name in _MEMBERS if name in jwk}
    if members.get("use") == "jwt-svid":  # in SPIFFE bundles, without an algorithm (JWT-SVID §4)
        members["use"] = "sig"
    _require_texts(members)
    kid = members.setdefault("kid", _thumbprint(members))
    if len(kid) > _MAX_KID or not kid.isprintable():
        raise ValueError(f"may have a kid of {_MAX_KID} printable characters")
    try:
        key = trusted_key(members, algorithms)
    except (PyJWTError, ValueError, TypeError) as error:
        raise ValueError(f"cannot be used: {error}") from None
    _require_strong(key.public)
    return {**members, "alg": key.alg}


def _require_texts(members: Mapping[str, Any]) -> None:
    texts = [value for name, value in members.items() if name != "key_ops"]
    if not all(isinstance(text, str) and 0 < len(text) <= _LONGEST for text in texts):
        raise ValueError(f"has a member that is no text of 1 to {_LONGEST} characters")


def load_keys(jwks: Mapping[str, Any], algorithms: Sequence[str] = ALGORITHMS) -> PublicKeys:
    """The keys of a set of accepted keys, by `kid`, that verify one of the `algorithms`."""
    keys = (_ready(json.dumps(jwk)) for jwk in jwks["keys"] if jwk["alg"] in algorithms)
    return MappingProxyType({key.kid: key for key in keys})


@lru_cache(_MAX_READY)
def _ready(jwk: str) -> TrustedKey:
    """Building a key takes longer than verifying a signature with it."""
    members = json.loads(jwk)
    return trusted_key(members, [members["alg"]])


def usable_keys(body: bytes, algorithms: Sequence[str] = ALGORITHMS) -> PublicKeys:
    """The keys of a fetched document that can be used; `NotFetched` if there is none."""
    keys: dict[str, TrustedKey] = {}
    for jwk in entries_of(body)[:_MAX_KEYS]:
        try:
            key = trusted_key(_with_kid(jwk, algorithms), algorithms)
        except (ValueError, PyJWTError, TypeError) as error:
            log.info("key_skipped", cause=f"it {error}")
        else:
            keys.setdefault(key.kid, key)
    if not keys:
        raise NotFetched(f"holds no key that verifies {' or '.join(algorithms)}")
    return MappingProxyType(keys)


def _with_kid(jwk: object, algorithms: Sequence[str]) -> dict[str, Any]:
    if isinstance(jwk, dict) and "kid" not in jwk:
        raise ValueError("has no kid")
    return accept_jwk(jwk, algorithms)


def _require_strong(public: object) -> None:
    if isinstance(public, RSAPublicKey) and public.key_size > _MAX_RSA_BITS:
        raise ValueError(f"has more than {_MAX_RSA_BITS} bits")
    if isinstance(public, RSAPublicKey) and (
        public.public_numbers().e.bit_length() > _MAX_EXPONENT_BITS
    ):
        raise ValueError(f"has an exponent of more than {_MAX_EXPONENT_BITS} bits")
    if isinstance(public, Ed25519PublicKey):
        raw = public.public_bytes_raw()
        if raw[:-1] + bytes([raw[-1] & 0x7F]) in _SMALL_ORDER:
            raise ValueError("is a weak Ed25519 key")


def _thumbprint(jwk: Mapping[str, Any]) -> str:
    names = _OF_THUMBPRINT.get(jwk.get("kty", ""), "").split()
    if not names or not jwk.keys() >= set(names):
        raise ValueError("is not a complete RSA, EC or OKP key")
    text = json.dumps({name: jwk[name] for name in names}, separators=(",", ":"))
    return urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()


def valid_until(claims: Mapping[str, Any], now: datetime) -> datetime:
    """When it expires, if it is valid at `now`."""
    expires_at = _instant(claims, "exp")
    if expires_at is None:
        raise InvalidToken("exp is missing")
    if expires_at <= now:
        raise InvalidToken("it has expired")
    for name in ("iat", "nbf"):
        at = _instant(claims, name)
        if at is not None and at > now + LEEWAY:
            raise InvalidToken(f"{name} is in the future")
    return expires_at


def required_iat(claims: Mapping[str, Any]) -> datetime:
    """`iat`, for tokens that must have it."""
    at = _instant(claims, "iat")
    if at is None:
        raise InvalidToken("iat is missing")
    return at


def _instant(claims: Mapping[str, Any], name: str) -> datetime | None:
    """A NumericDate (RFC 7519 §2); None without one."""
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidToken(f"{name} is not a number")
    if not value < _YEAR_9999:  # NaN as well
        raise InvalidToken(f"{name} is not a possible time")
    return datetime.fromtimestamp(max(value, 0), UTC)


def required_jti(claims: Mapping[str, Any]) -> str:
    """What tells the token apart from others of its issuer."""
    jti = claims.get("jti")
    if not isinstance(jti, str) or not 0 < len(jti) <= MAX_JTI:
        raise InvalidToken(f"jti is not a text of 1 to {MAX_JTI} characters")
    return jti
