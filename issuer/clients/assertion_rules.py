"""The rules for an assertion (RFC 7523 §3), and what one proves. Pure functions."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from issuer.clients.authentication import VerifiedAssertion
from issuer.errors import InvalidCredentials
from issuer.federation.fetching import KeyFetch
from issuer.federation.public_keys import InvalidToken, PublicKeys, SignedToken, UnknownKey

MAX_LIFETIME = timedelta(minutes=10)
LEEWAY = timedelta(seconds=10)
MAX_JTI = 255
# draft-ietf-oauth-rfc7523bis §4 names the last one.
_TYPES = {"", "jwt", "client-authentication+jwt"}
_YEAR_9999 = 253_370_764_800  # the last year of `datetime`, to which no margin can be added


@dataclass(frozen=True, slots=True)
class Evidence:
    """It authenticates a client until `expires_at`; by its `name`, if it has one, only once."""

    assertion: VerifiedAssertion
    expires_at: datetime
    name: str | None


class KeyFetchRequiredError(InvalidCredentials):
    """None of the keys here can have signed the assertion; `fetch_keys` may find newer ones."""

    def __init__(self, fetch_keys: KeyFetch) -> None:
        super().__init__("assertion: no key of this kid and algorithm")
        self.fetch_keys = fetch_keys


def signed_claims(
    token: SignedToken, keys: PublicKeys, fetch_keys: KeyFetch | None
) -> dict[str, Any]:
    """The claims, if one of the keys has signed them; `InvalidCredentials` says why not."""
    try:
        return token.claims_by(keys)
    except UnknownKey as error:
        if fetch_keys is not None:
            raise KeyFetchRequiredError(fetch_keys) from None
        raise InvalidCredentials(f"assertion: {error}") from None
    except InvalidToken as error:
        raise InvalidCredentials(f"assertion: {error}") from None


def checked_type(header: Mapping[str, Any]) -> None:
    """`InvalidCredentials` for a JWT of another type, such as an access token (RFC 8725 §3.11)."""
    typ = header.get("typ", "")
    if not isinstance(typ, str) or typ.lower().removeprefix("application/") not in _TYPES:
        raise InvalidCredentials("the assertion has the typ of another kind of token")


def checked_claims(
    claims: Mapping[str, Any], client_id: str, issuer: str, now: datetime
) -> tuple[str, datetime]:
    """The `jti` and when it expires, if `client_id` may use it once at `now` for this `issuer`.

    `InvalidCredentials` says which rule it breaks. Its `aud` must be the issuer alone, as a
    string: an assertion for another server, or for several, could be used by that server.
    """
    if claims.get("iss") != client_id:
        raise _broken("iss is not the client")
    if claims.get("sub") != client_id:
        raise _broken("sub is not the client")
    if claims.get("aud") != issuer:
        raise _broken("aud is not the issuer alone, as a string")
    expires_at = checked_times(claims, now)
    if expires_at - now > MAX_LIFETIME:
        raise _broken("exp is more than 10 minutes away")
    jti = claims.get("jti")
    if not isinstance(jti, str) or not 0 < len(jti) <= MAX_JTI:
        raise _broken(f"jti is not a text of 1 to {MAX_JTI} characters")
    return jti, expires_at


def audited_jti(claims: Mapping[str, Any]) -> str | None:
    """The `jti` for the audit log; None unless it is 1 to 255 printable characters."""
    jti = claims.get("jti")
    is_fit = isinstance(jti, str) and 0 < len(jti) <= MAX_JTI and jti.isprintable()
    return jti if is_fit else None


def checked_times(claims: Mapping[str, Any], now: datetime) -> datetime:
    """When it expires; `InvalidCredentials` if it is not valid at `now` (RFC 7519 §4.1)."""
    expires_at = _instant(claims, "exp")
    if expires_at is None:
        raise _broken("exp is missing")
    if expires_at <= now:
        raise _broken("it has expired")
    for name in ("iat", "nbf"):
        instant = _instant(claims, name)
        if instant is not None and instant > now + LEEWAY:
            raise _broken(f"{name} is in the future")
    return expires_at


def _instant(claims: Mapping[str, Any], name: str) -> datetime | None:
    """A NumericDate (RFC 7519 §2)."""
    value = claims.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _broken(f"{name} is not a number")
    if not value < _YEAR_9999:  # NaN as well
        raise _broken(f"{name} is not a possible time")
    return datetime.fromtimestamp(max(value, 0), UTC)


def _broken(rule: str) -> InvalidCredentials:
    return InvalidCredentials(f"assertion: {rule}")
