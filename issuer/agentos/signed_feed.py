"""Whether a revocation feed is one: signed by a key that may, in time, of the right issuer."""

from base64 import urlsafe_b64decode
from typing import Any

import jwt

from issuer.agentos.errors import NotFetched
from issuer.agentos.key_set import Keys, TrustedKey
from issuer.agentos.revocations import Revocations, read_revocations
from issuer.agentos.rules import TokenRules

TYP = "revocations+jwt"
CLOCKS_DIFFER_BY = 300.0
_MAX_HEADER = 4096
_MAX_LIFE = 24 * 3600
_PIECE = 4 * 65_536


def kid_of(feed: bytes) -> str | None:
    """Which key signed it, by its own word; `NotFetched` if it is no JWT."""
    kid = _header(feed).get("kid")
    return kid if isinstance(kid, str) else None


def read_feed(
    feed: bytes, keys: Keys, known: Revocations, rules: TokenRules, now: float
) -> Revocations:
    """What the feed says, and nothing of what is `known`. `NotFetched` says what is wrong.

    `rules` are those of the issuer's tokens: `iss`, and the leeway.
    """
    key = _signed_by(_header(feed), keys, known)
    revocations, claims = read_revocations(_verified(feed, key))
    if claims.get("iss") != rules.issuer:
        raise NotFetched("is that of another issuer")
    if key.kid in revocations.keys:
        raise NotFetched("is signed by a key that it says is revoked")
    if revocations.issued_at < known.issued_at:
        raise NotFetched("is older than the one that is held")
    if revocations.issued_at > now + CLOCKS_DIFFER_BY:
        raise NotFetched("is of the future")
    if not 0 < revocations.expires_at - revocations.issued_at <= _MAX_LIFE:
        raise NotFetched('has an "exp" that does not follow its "iat" within a day')
    require_current(revocations, rules, now)
    return revocations


def require_current(revocations: Revocations, rules: TokenRules, now: float) -> None:
    """`NotFetched` for one that has expired: who serves it still hides what came after."""
    if now >= revocations.expires_at + rules.leeway:
        raise NotFetched("has expired")


def _signed_by(header: dict[str, Any], keys: Keys, known: Revocations) -> TrustedKey:
    """RFC 8725 §3.11: what is signed as an access token is no feed."""
    typ = str(header.get("typ", "")).lower().removeprefix("application/")
    if typ != TYP or "crit" in header or "b64" in header:
        raise NotFetched(f"is not of the typ {TYP}")
    kid = header.get("kid")
    key = keys.get(kid) if isinstance(kid, str) else None
    if key is None or header.get("alg") != key.alg:
        raise NotFetched("is signed by no key of the issuer")
    if key.kid in known.keys:
        raise NotFetched("is signed by a revoked key")
    return key


def _header(feed: bytes) -> dict[str, Any]:
    header = feed.partition(b".")[0]
    if len(header) > _MAX_HEADER:
        raise NotFetched("is no JWT")
    try:
        return jwt.get_unverified_header(header + b"..")
    except (jwt.InvalidTokenError, ValueError, RecursionError):
        raise NotFetched("is no JWT") from None


def _verified(feed: bytes, key: TrustedKey) -> bytes:
    """The claims as they are written (RFC 7515 §5.2).

    By PyJWT's algorithm and not its reader, which takes ten times as long for a large feed.
    """
    signed, _, signature = feed.rpartition(b".")
    try:
        algorithm = jwt.get_algorithm_by_name(key.alg)
        if algorithm.verify(signed, key.public, _decoded(signature)):
            return _decoded(signed.partition(b".")[2])
    except ValueError:
        raise NotFetched("is no JWT") from None
    raise NotFetched("has a signature that is not good")


def _decoded(part: bytes) -> bytes:
    """Piece by piece, so that other threads can go on meanwhile."""
    padded = part + b"=" * (-len(part) % 4)
    pieces = range(0, len(padded), _PIECE)
    return b"".join(urlsafe_b64decode(padded[start : start + _PIECE]) for start in pieces)
