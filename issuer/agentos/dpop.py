"""One proof of possession of a key, for a request to an AgentOS (DPoP, RFC 9449 §4.3)."""

import hmac
import json
import math
import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from hashlib import sha256
from typing import Any, NoReturn
from urllib.parse import quote, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.utils import base64url_decode, base64url_encode

from issuer.agentos.errors import InvalidProof
from issuer.agentos.rules import known_name

ALGORITHMS = ("ES256", "EdDSA", "Ed25519", "PS256", "RS256")
MAX_AGE = 300.0
MAX_BYTES = 4_096
MAX_JTI = 255
_RSA_BITS = range(2_048, 4_097)
_MAX_EXPONENT_BITS = 32  # a check takes a hundred times as long with as many as the modulus has
_MAX_HEADERS = 512
_SEGMENTS = 3
# Type and curve of the key, and the members of its thumbprint (RFC 7638 §3.2, RFC 8037 §2).
_EC, _OKP, _RSA = ("EC", "P-256"), ("OKP", "Ed25519"), ("RSA", None)
_KEYS = {"ES256": _EC, "EdDSA": _OKP, "Ed25519": _OKP, "PS256": _RSA, "RS256": _RSA}
_MEMBERS = {_EC: ("crv", "kty", "x", "y"), _OKP: ("crv", "kty", "x"), _RSA: ("e", "kty", "n")}
_PRIVATE = frozenset({"k", "d", "p", "q", "dp", "dq", "qi", "oth"})  # RFC 7518 §6
_DIGEST = re.compile(r"(?:^|,)\s*sha-256=:([A-Za-z0-9+/]{43}=):")  # RFC 9530 §2
_VISIBLE = re.compile(r"[!-~]{1,2048}")
_ENCODED = re.compile(r"%([0-9A-Fa-f]{2})")
_UNRESERVED = re.compile(r"[A-Za-z0-9._~-]")  # RFC 3986 §2.3
_PORTS = {"https": 443, "http": 80}
_JWS = jwt.PyJWS()


@dataclass(frozen=True, slots=True)
class RequestProof:
    """A proof whose signature, method, URL and time are right. It may have been used before.

    `jkt` is the thumbprint of its key, `ath` the hash of the access token that it is for.
    """

    jkt: str
    jti: str = field(repr=False)
    ath: str = field(repr=False)
    content_digest: object = None

    def is_for(self, token: str) -> bool:
        """Whether it names this access token."""
        return hmac.compare_digest(self.ath, token_hash(token))

    def require_content(self, body: bytes) -> None:
        """`InvalidProof` if it names a digest, and not that of `body`."""
        if self.content_digest is None:
            return
        named = _DIGEST.search(_text(self.content_digest))
        if named is None or named[1] != b64encode(sha256(body).digest()).decode():
            _refuse("content_digest of the proof is not the SHA-256 of the body (RFC 9530).")


def read_proof(encoded: bytes, method: str, url: str, now: float) -> RequestProof:
    """The proof of a request with this method and URL; `InvalidProof` says which check failed."""
    if len(encoded) > MAX_BYTES:
        _refuse(f"The proof has more than {MAX_BYTES} bytes.")
    jkt, claims = _verified(encoded)
    jti, iat = claims.get("jti"), claims.get("iat")
    if not isinstance(jti, str) or not 0 < len(jti) <= MAX_JTI:
        _refuse(f"jti of the proof must have 1 to {MAX_JTI} characters.")
    if claims.get("htm") != method:
        _refuse("htm of the proof is not the method of the request.")
    named = normalized_url(_text(claims.get("htu")))
    if named is None or named != normalized_url(url):
        _refuse("htu of the proof is not the URL of the request, below url of the AgentOS.")
    seconds = iat if isinstance(iat, int | float) and not isinstance(iat, bool) else math.nan
    if not now - MAX_AGE <= seconds <= now + MAX_AGE:
        _refuse(f"iat of the proof is not within {MAX_AGE:.0f} seconds of the AgentOS's clock.")
    return RequestProof(jkt, jti, _text(claims.get("ath")), claims.get("content_digest"))


def token_hash(token: str) -> str:
    """`ath` of a proof for this access token (RFC 9449 §4.2)."""
    return base64url_encode(sha256(token.encode("utf-8", "surrogatepass")).digest()).decode()


def _verified(encoded: bytes) -> tuple[str, Mapping[str, Any]]:
    """The thumbprint of the key that has signed the proof, and its claims."""
    segments = encoded.split(b".")
    if len(segments) != _SEGMENTS:
        _refuse("The proof is not a JWT of JSON objects.")
    header, payload, signature = segments
    algorithm, key, jkt = _header(header)
    claims = _json_object(payload)
    try:
        is_signed = algorithm.verify(header + b"." + payload, key, base64url_decode(signature))
    except (ValueError, TypeError):
        is_signed = False
    if not is_signed:
        _refuse("The signature of the proof is not by its jwk.")
    return jkt, claims


@lru_cache(_MAX_HEADERS)
def _header(segment: bytes) -> tuple[Any, Any, str]:
    """The algorithm, the key and its thumbprint. A client has one header for all its proofs."""
    header = _json_object(segment)
    alg = header.get("alg")
    if header.get("typ") != "dpop+jwt":
        _refuse("typ of the proof is not dpop+jwt.")
    if alg not in ALGORITHMS:
        _refuse(f"alg of the proof is none of {', '.join(ALGORITHMS)}.")
    if "crit" in header or "b64" in header:
        _refuse("The header of the proof requires an extension.")
    key, jkt = _public_key(header.get("jwk"), alg)
    return _JWS.get_algorithm_by_name(known_name(alg)), key, jkt


def _json_object(segment: bytes) -> dict[str, Any]:
    try:
        members = json.loads(base64url_decode(segment))
    except (ValueError, RecursionError):
        members = None
    if not isinstance(members, dict):
        _refuse("The proof is not a JWT of JSON objects.")
    return members


def _public_key(jwk: object, alg: str) -> tuple[Any, str]:
    """The key, and its thumbprint (RFC 7638)."""
    if not isinstance(jwk, dict):
        _refuse("jwk of the proof is missing, or no JSON object.")
    if not _PRIVATE.isdisjoint(jwk):
        _refuse("jwk of the proof holds a private or symmetric key.")
    kind = _KEYS[alg]
    members = {name: jwk.get(name) for name in _MEMBERS[kind]}
    is_text = all(isinstance(member, str) for member in members.values())
    if not is_text or (jwk["kty"], jwk.get("crv")) != kind:
        _refuse(f"jwk of the proof is no key for {alg}.")
    try:
        key = jwt.PyJWK(members, algorithm=known_name(alg)).key
    except (jwt.PyJWTError, ValueError, TypeError):
        _refuse("jwk of the proof is not a valid key.")
    if isinstance(key, RSAPublicKey) and (
        key.key_size not in _RSA_BITS or key.public_numbers().e.bit_length() > _MAX_EXPONENT_BITS
    ):
        _refuse("jwk of the proof must have 2,048 to 4,096 bits, and a usual exponent.")
    canonical = json.dumps(members, separators=(",", ":"), sort_keys=True).encode()
    return key, base64url_encode(sha256(canonical).digest()).decode()


def raw_path(scope: Mapping[str, Any]) -> str:
    """The path of an ASGI request as it was sent, without the one at which the app is served."""
    raw: bytes | None = scope.get("raw_path")
    path = quote(scope["path"]) if raw is None else raw.decode("latin-1")
    root = quote(scope.get("root_path", ""))
    return path[len(root) :] if root and path.startswith(f"{root}/") else path


@lru_cache(256)
def normalized_url(url: str) -> str | None:
    """The http URL without query and fragment, as RFC 3986 §6.2.2 and §6.2.3 normalize it.

    None for what is no such URL, or has user information.
    """
    if not _VISIBLE.fullmatch(url):
        return None
    try:
        parts = urlsplit(_ENCODED.sub(_decode_unreserved, url))
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if parts.scheme not in _PORTS or not host or "@" in parts.netloc:
        return None
    host = f"[{host}]" if ":" in host else host
    shown_port = "" if port in {None, _PORTS[parts.scheme]} else f":{port}"
    return f"{parts.scheme}://{host}{shown_port}{_without_dot_segments(parts.path)}"


def _decode_unreserved(encoded: re.Match[str]) -> str:
    character = chr(int(encoded[1], 16))
    return character if _UNRESERVED.fullmatch(character) else encoded[0].upper()


def _without_dot_segments(path: str) -> str:
    """RFC 3986 §5.2.4, of an absolute or empty path."""
    kept: list[str] = []
    segments = path.split("/")[1:]
    for segment in segments:
        if segment == "..":
            kept = kept[:-1]
        elif segment != ".":
            kept.append(segment)
    if segments[-1:] in (["."], [".."]):
        kept.append("")  # what is left names a folder
    return f"/{'/'.join(kept)}"


def _text(claim: object) -> str:
    return claim if isinstance(claim, str) and claim.isascii() else ""


def _refuse(problem: str) -> NoReturn:
    raise InvalidProof(problem)
