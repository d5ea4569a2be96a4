"""The rules for ID tokens and logout tokens of trusted issuers. Pure functions.

Imports PyJWT: import it where it is first needed.
"""

import hashlib
import hmac
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from issuer.errors import InvalidCredentials
from issuer.federation.public_keys import InvalidToken, SignedToken, parsed_token
from issuer.federation.token_times import LEEWAY, valid_until
from issuer.sign_in.provider_request import NotRecent, ProviderRequest

LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
_LOGOUT_TYPE = "logout+jwt"
_MAX_JTI = 255
_HASHES = {"EdDSA": "sha512", "Ed25519": "sha512"}  # of others, the digits in their name


def read_token(kind: str, text: str) -> SignedToken:
    """The JWT in the text; `InvalidCredentials` for anything else."""
    try:
        return parsed_token(text)
    except InvalidToken as error:
        raise InvalidCredentials(f"the {kind}: {error}") from None


def checked_id_token(
    claims: Mapping[str, Any], asked: ProviderRequest, client_id: str, now: datetime
) -> None:
    """OpenID Connect Core §3.1.3.7, after the signature; `InvalidCredentials` names the rule."""
    _require_common("ID token", claims, asked.issuer, client_id, now)
    if not _is_equal(claims.get("nonce"), asked.nonce):
        raise _broken("ID token", "nonce is not the one that was sent")
    if not isinstance(claims.get("sub"), str):
        raise _broken("ID token", "sub is missing")
    if asked.max_age is not None:
        _require_recent(claims.get("auth_time"), asked, asked.max_age, now)


def checked_id_token_header(header: Mapping[str, Any]) -> None:
    """`InvalidCredentials` for a token of another kind (RFC 8725 §3.11)."""
    if _type_of(header) not in {"", "jwt"}:
        raise _broken("ID token", "typ is that of another kind of token")


def checked_at_hash(claims: Mapping[str, Any], header: Mapping[str, Any], token: str) -> None:
    """`at_hash` is optional in the code flow (OpenID Connect Core §3.1.3.8)."""
    if "at_hash" not in claims:
        return
    alg = str(header.get("alg"))
    digest = hashlib.new(_HASHES.get(alg, f"sha{alg[-3:]}"), token.encode()).digest()
    expected = urlsafe_b64encode(digest[: len(digest) // 2]).decode().rstrip("=")
    if not _is_equal(claims["at_hash"], expected):
        raise _broken("ID token", "at_hash is not that of the access token")


def checked_logout_token(
    token: SignedToken, claims: Mapping[str, Any], issuer: str, client_id: str, now: datetime
) -> tuple[str, datetime]:
    """OpenID Back-Channel Logout §2.6, after the signature: its `jti`, and when it expires."""
    if _type_of(token.unverified.header) not in {"", "jwt", _LOGOUT_TYPE}:
        raise _broken("logout token", "typ is that of another kind of token")
    expires_at = _require_common("logout token", claims, issuer, client_id, now)
    events = claims.get("events")
    if not isinstance(events, dict) or not isinstance(events.get(LOGOUT_EVENT), dict):
        raise _broken("logout token", "events does not say that somebody signed out")
    if "nonce" in claims:
        raise _broken("logout token", "it has a nonce, as ID tokens do")
    for name in ("sub", "sid"):
        if not isinstance(claims.get(name, ""), str):
            raise _broken("logout token", f"{name} is not a text")
    if not claims.get("sub") and not claims.get("sid"):
        raise _broken("logout token", "it names neither sub nor sid")
    jti = claims.get("jti")
    if not isinstance(jti, str) or not 0 < len(jti) <= _MAX_JTI:
        raise _broken("logout token", f"jti is not a text of 1 to {_MAX_JTI} characters")
    return jti, expires_at


def _require_common(
    kind: str, claims: Mapping[str, Any], issuer: str, client_id: str, now: datetime
) -> datetime:
    if claims.get("iss") != issuer:
        raise _broken(kind, "iss is another issuer")
    _require_audience(kind, claims, client_id)
    try:
        expires_at = valid_until(claims, now)
    except InvalidToken as error:
        raise _broken(kind, str(error)) from None
    if "iat" not in claims:
        raise _broken(kind, "iat is missing")
    return expires_at


def _require_audience(kind: str, claims: Mapping[str, Any], client_id: str) -> None:
    """Of several audiences, this one must be the one that it was issued to."""
    audience, party = claims.get("aud"), claims.get("azp", client_id)
    audiences = audience if isinstance(audience, list) else [audience]
    if client_id not in audiences or not all(isinstance(each, str) for each in audiences):
        raise _broken(kind, "aud is not the client here")
    if party != client_id or (len(audiences) > 1 and "azp" not in claims):
        raise _broken(kind, "azp is not the client here")


def _require_recent(auth_time: object, asked: ProviderRequest, max_age: int, now: datetime) -> None:
    if isinstance(auth_time, bool) or not isinstance(auth_time, int | float):
        raise NotRecent("the ID token: auth_time is missing, though a recent sign-in was asked for")
    earliest = now - timedelta(seconds=max_age)
    if max_age == 0:  # in whole seconds, of another clock
        earliest = asked.created_at - LEEWAY
    if not earliest.timestamp() <= auth_time <= (now + LEEWAY).timestamp():
        raise NotRecent("the ID token: auth_time is not as recent as was asked for")


def _type_of(header: Mapping[str, Any]) -> str | None:
    typ = header.get("typ", "")
    return typ.lower().removeprefix("application/") if isinstance(typ, str) else None


def _is_equal(value: object, expected: str) -> bool:
    sent = value if isinstance(value, str) else ""
    return hmac.compare_digest(sent.encode("utf-8", "surrogatepass"), expected.encode())


def _broken(kind: str, rule: str) -> InvalidCredentials:
    return InvalidCredentials(f"the {kind}: {rule}")
