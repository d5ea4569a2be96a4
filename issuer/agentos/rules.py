"""Rules for the claims of an access token (RFC 9068 §4). Pure functions."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import jwt
from jwt.utils import base64url_encode

MAX_BYTES = 16 * 1024
ED25519 = "Ed25519"  # RFC 9864 §2.2 names the algorithm after the curve
# Identities that AgentOS assigns itself.
_RESERVED_SUBJECTS = ("sa:", "__oauth__:")
_SCHEDULER = "__scheduler__"
_MAX_QUOTE = 200
YEAR_10000 = 253_402_300_800
# Of this module alone: PyJWT's own one is shared with the whole process.
_JWS = jwt.PyJWS()


@dataclass(frozen=True, slots=True)
class Unverified:
    """Header and claims of a token whose `signature` was not checked, and what it should sign."""

    header: Mapping[str, Any]
    claims: dict[str, Any]
    signed: bytes = field(repr=False)
    signature: bytes = field(repr=False)

    @property
    def kid(self) -> str | None:
        kid = self.header.get("kid")
        return kid if isinstance(kid, str) else None

    @property
    def issuer(self) -> str | None:
        issuer = self.claims.get("iss")
        return issuer if isinstance(issuer, str) else None


def read_unverified(token: str) -> Unverified:
    """Header and claims of a JWT. `jwt.DecodeError` for anything else, or one too long."""
    if len(token) > MAX_BYTES:
        raise jwt.DecodeError(f"The token is longer than {MAX_BYTES} bytes.")
    try:
        parts = jwt.decode_complete(token, options={"verify_signature": False})
    except (ValueError, RecursionError):
        raise jwt.DecodeError("The token is not a JWT.") from None
    signed, _, signature = token.rpartition(".")
    # One signature has several base64 spellings, and the spelling is not signed.
    if base64url_encode(parts["signature"]).decode() != signature:
        raise jwt.DecodeError("The token's signature is not written as base64url.")
    return Unverified(parts["header"], parts["payload"], signed.encode(), parts["signature"])


def known_name(alg: Any) -> Any:
    """The name of an algorithm that PyJWT and agno know: `EdDSA` for `Ed25519`."""
    return "EdDSA" if alg == ED25519 else alg


def require_signed(token: Unverified, public_key: Any, alg: str) -> None:
    """`jwt.InvalidTokenError` unless that key has signed the token with `alg`, by either name."""
    # Not `PyJWS.decode`, which would take the text apart again.
    if known_name(token.header.get("alg")) != alg:
        raise jwt.InvalidAlgorithmError("The token's alg is not that of its key.")
    algorithm = _JWS.get_algorithm_by_name(alg)
    if not algorithm.verify(token.signed, public_key, token.signature):
        raise jwt.InvalidSignatureError("The token's signature is wrong.")


@dataclass(frozen=True, slots=True)
class TokenRules:
    """`typ` None accepts any; `leeway` is in seconds.

    `audience_claim` is required to name `audience`, for issuers that set no `aud`; a token that
    has an `aud` must name it there, too. Each of `required_claims` must have exactly that value.
    """

    issuer: str
    audience: str
    typ: str | None = "at+jwt"
    leeway: float = 10
    audience_claim: str = "aud"
    required_claims: Mapping[str, str | bool] = field(default_factory=dict)

    def check_header(self, header: Mapping[str, Any]) -> None:
        """RFC 9068 §4, RFC 7515 §4.1.11. `InvalidTokenError` with the cause."""
        typ = str(header.get("typ", "")).lower().removeprefix("application/")
        if self.typ is not None and typ != self.typ.lower():
            raise jwt.InvalidTokenError(f"The token's typ is not {self.typ}.")
        if "crit" in header or "b64" in header:
            raise jwt.InvalidTokenError("The token's header requires an extension.")

    def check_claims(self, claims: Mapping[str, Any], now: float) -> tuple[float, float]:
        """From when until when the token is valid, seconds since 1970. Errors are PyJWT's."""
        if claims.get("iss") != self.issuer:
            raise other_issuer(claims.get("iss"), self.issuer)
        self._check_audience(claims)
        for name, required in self.required_claims.items():
            value = claims.get(name)
            if type(value) is not type(required) or value != required:  # 1 is not True
                raise jwt.InvalidTokenError(f"The token's {name} is not {required!r}.")
        subject = claims.get("sub")
        if not isinstance(subject, str) or not subject:
            raise jwt.InvalidTokenError("The token has no subject.")
        if subject == _SCHEDULER or subject.startswith(_RESERVED_SUBJECTS):
            raise jwt.InvalidTokenError("The token's subject is reserved.")
        return self._check_time(claims, now)

    def _check_audience(self, claims: Mapping[str, Any]) -> None:
        """RFC 7519 §4.1.3: an `aud` applies even where another claim is required."""
        if claims.get(self.audience_claim) is None:
            raise jwt.MissingRequiredClaimError(self.audience_claim)
        for audience in [claims[each] for each in (self.audience_claim, "aud") if each in claims]:
            named = audience if isinstance(audience, list) else [audience]
            if self.audience not in named or not all(isinstance(each, str) for each in named):
                raise jwt.InvalidAudienceError("The token is for another audience.")

    def _check_time(self, claims: Mapping[str, Any], now: float) -> tuple[float, float]:
        ends = _seconds(claims, "exp")
        if ends is None:
            raise jwt.MissingRequiredClaimError("exp")
        starts = max(_seconds(claims, "iat") or 0.0, _seconds(claims, "nbf") or 0.0)
        if now >= ends + self.leeway:
            raise jwt.ExpiredSignatureError("The token has expired.")
        if now < starts - self.leeway:
            raise jwt.ImmatureSignatureError("The token is not valid yet.")
        return starts - self.leeway, ends + self.leeway


def other_issuer(found: object, *trusted: str) -> jwt.InvalidIssuerError:
    """The error for a token whose `iss` is not one of those that are trusted."""
    return jwt.InvalidIssuerError(
        f"The token is from another issuer: its iss is {str(found)[:_MAX_QUOTE]!r}, not"
        f" {' or '.join(map(repr, trusted))}."
    )


def _seconds(claims: Mapping[str, Any], name: str) -> float | None:
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise jwt.DecodeError(f"The token's {name} is not a number.")
    if not abs(value) < YEAR_10000:  # also refuses NaN and Infinity, which Python's JSON accepts
        raise jwt.DecodeError(f"The token's {name} is not a valid time.")
    return float(value)
