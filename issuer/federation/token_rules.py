"""Rules for claims of every token of another issuer (RFC 7519 §4.1). Pure functions.

`InvalidToken` names the rule that is broken.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from issuer.federation.public_keys import InvalidToken

LEEWAY = timedelta(seconds=10)
MAX_JTI = 255
_YEAR_9999 = 253_370_764_800  # the last year of `datetime`, to which no margin can be added


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
