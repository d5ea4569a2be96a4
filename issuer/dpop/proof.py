"""One proof of possession: what must be true of it by itself (RFC 9449 §4.3). Pure functions."""

import hmac
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from hashlib import sha256
from typing import Any
from urllib.parse import quote

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import Key, import_key
from joserfc.util import urlsafe_b64decode

from issuer.errors import IssuerError
from issuer.fields.json import strict_json
from issuer.fields.urls import normalized_url
from issuer.values import value
from issuer.vocabulary import DPOP_PROOF_TYPE, ErrorCode, SigningAlgorithm

ALGORITHMS = tuple(alg.value for alg in SigningAlgorithm)
MAX_AGE = timedelta(seconds=60)
MAX_BYTES = 4_096
MAX_JTI = 255
_HEADER = b"dpop"
_RSA_BITS = range(2_048, 4_097)
_MAX_EXPONENT_BITS = 32  # a check takes a hundred times as long with as many as the modulus has
_MAX_HEADERS = 512
_SEGMENTS = 3
_NO_JWT = "The proof is not a JWT of JSON objects, with each member once."
# Type and curve of the key.
_KEYS = {
    "RS256": ("RSA", None),
    "PS256": ("RSA", None),
    "ES256": ("EC", "P-256"),
    "EdDSA": ("OKP", "Ed25519"),
    "Ed25519": ("OKP", "Ed25519"),
}
_PUBLIC = ("kty", "crv", "x", "y", "n", "e")
_PRIVATE = frozenset({"k", "d", "p", "q", "dp", "dq", "qi", "oth"})  # RFC 7518 §6
_REQUIRED: dict[str, type | tuple[type, ...]] = {
    "jti": str,
    "htm": str,
    "htu": str,
    "iat": (int, float),
}
_REGISTRY = jws.JWSRegistry(algorithms=ALGORITHMS)


class DPoPError(IssuerError):
    """A proof, or an access token without the proof that it needs, is refused.

    `error` is the code of RFC 9449 §12.2 or RFC 6750 §3.1; `nonce` is one that the client may use.
    """

    def __init__(
        self,
        description: str,
        error: str = ErrorCode.INVALID_DPOP_PROOF.value,
        nonce: str | None = None,
    ) -> None:
        super().__init__(description)
        self.error = error
        self.nonce = nonce


@value
class SentProof:
    """The `DPoP` headers of a request, and the method and path that a proof must name."""

    headers: list[bytes] = field(repr=False)
    method: str
    path: str

    @classmethod
    def of(cls, scope: Mapping[str, Any]) -> "SentProof":
        """What the request of an ASGI scope has sent."""
        headers = [content for name, content in scope["headers"] if name == _HEADER]
        raw_path: bytes | None = scope.get("raw_path")
        path = quote(scope["path"]) if raw_path is None else raw_path.decode("latin-1")
        return cls(headers, scope["method"], path)


@dataclass(slots=True)
class Proof:
    """A valid proof by the key of the thumbprint `jkt` (RFC 7638). It may have been used before.

    `is_used` once its request has used it.
    """

    jkt: str
    jti: str = field(repr=False)
    issued_at: datetime
    nonce: object = field(repr=False)
    is_used: bool = False

    @property
    def expires_at(self) -> datetime:
        """From when on it is too old."""
        return self.issued_at + MAX_AGE


def check_proof(
    sent: SentProof, origin: str, now: datetime, access_token: str | None = None
) -> Proof:
    """The one proof of the request, to a server at `origin`, such as `https://id.example`.

    `DPoPError` says which check failed. With an `access_token`, the proof must be for it.
    """
    if len(sent.headers) != 1:
        raise DPoPError("Send one DPoP header.")
    (encoded,) = sent.headers
    if len(encoded) > MAX_BYTES:
        raise DPoPError(f"The proof has more than {MAX_BYTES} bytes.")
    jkt, claims = _verified(encoded)
    _require_request(claims, sent, origin)
    issued_at = _issued_at(claims["iat"], now)
    if access_token is not None:
        digest = sha256(access_token.encode("utf-8", "surrogatepass")).digest()
        ath = urlsafe_b64encode(digest).decode().rstrip("=")
        if not hmac.compare_digest(ath, _text(claims.get("ath"))):
            raise DPoPError("ath of the proof is not the hash of the access token.")
    return Proof(jkt, claims["jti"], issued_at, claims.get("nonce"))


def _verified(encoded: bytes) -> tuple[str, dict[str, Any]]:
    """The thumbprint of the key that has signed the proof, and its claims."""
    segments = encoded.split(b".")
    if len(segments) != _SEGMENTS:
        raise DPoPError(_NO_JWT)
    header, payload, signature = segments
    alg, key, jkt = _header(header)
    claims = _json_object(payload)
    for name, kind in _REQUIRED.items():
        if not isinstance(claims.get(name), kind) or isinstance(claims[name], bool):
            raise DPoPError(f"{name} of the proof is missing, or of another type.")
    try:
        # Not `jws.deserialize_compact`, which checks header and key at each call.
        is_signed = alg.verify(header + b"." + payload, urlsafe_b64decode(signature), key)
    except (JoseError, ValueError, TypeError):
        is_signed = False
    if not is_signed:
        raise DPoPError("The signature of the proof is not by its jwk.")
    return jkt, claims


@lru_cache(_MAX_HEADERS)
def _header(segment: bytes) -> tuple[Any, Key, str]:
    """The algorithm, the key and its thumbprint. A client has one header for all its proofs."""
    header = _json_object(segment)
    if header.get("typ") != DPOP_PROOF_TYPE:
        raise DPoPError(f"typ of the proof is not {DPOP_PROOF_TYPE}.")
    if header.get("alg") not in ALGORITHMS:
        raise DPoPError(f"alg of the proof is none of {', '.join(ALGORITHMS)}.")
    if "crit" in header or "b64" in header:
        raise DPoPError("The header of the proof requires an extension.")
    alg = _REGISTRY.get_alg(header["alg"])
    key = _public_key(header.get("jwk"), alg.name)
    return alg, key, key.thumbprint()


def _json_object(segment: bytes) -> dict[str, Any]:
    try:
        members = strict_json(urlsafe_b64decode(segment))
    except (ValueError, TypeError, RecursionError):
        raise DPoPError(_NO_JWT) from None
    if not isinstance(members, dict):
        raise DPoPError(_NO_JWT)
    return members


def _public_key(jwk: object, alg: str) -> Key:
    if not isinstance(jwk, dict):
        raise DPoPError("jwk of the proof is missing, or no JSON object.")
    if not _PRIVATE.isdisjoint(jwk):
        raise DPoPError("jwk of the proof holds a private or symmetric key.")
    members = {name: jwk[name] for name in _PUBLIC if name in jwk}
    if (members.get("kty"), members.get("crv")) != _KEYS[alg]:
        raise DPoPError(f"jwk of the proof is no key for {alg}.")
    try:
        key = import_key(members)
    except (JoseError, ValueError, TypeError):
        raise DPoPError("jwk of the proof is not a valid key.") from None
    public = key.raw_value
    if isinstance(public, RSAPublicKey) and (
        public.key_size not in _RSA_BITS
        or public.public_numbers().e.bit_length() > _MAX_EXPONENT_BITS
    ):
        raise DPoPError("jwk of the proof must have 2,048 to 4,096 bits, and a usual exponent.")
    return key


def _require_request(claims: Mapping[str, Any], sent: SentProof, origin: str) -> None:
    """The request that the proof is for: its method, and its URL without query and fragment."""
    if not 0 < len(claims["jti"]) <= MAX_JTI:
        raise DPoPError(f"jti of the proof must have 1 to {MAX_JTI} characters.")
    if claims["htm"] != sent.method:
        raise DPoPError("htm of the proof is not the method of the request.")
    named = normalized_url(claims["htu"])
    if named is None or named != normalized_url(origin + sent.path):
        raise DPoPError("htu of the proof is not the URL of the request at this issuer.")


def _issued_at(iat: float, now: datetime) -> datetime:
    seconds = int(MAX_AGE.total_seconds())
    at = now.timestamp()
    if not at - seconds <= iat <= at + seconds:  # a difference could overflow
        raise DPoPError(f"iat of the proof is not within {seconds} seconds of the issuer's clock.")
    return datetime.fromtimestamp(iat, UTC)


def _text(claim: object) -> str:
    return claim if isinstance(claim, str) and claim.isascii() else ""
