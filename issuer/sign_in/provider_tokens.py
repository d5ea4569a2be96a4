"""The rules for ID tokens and logout tokens of trusted issuers. Pure functions.

`InvalidToken` names the rule that is broken.

Imports PyJWT: import it where it is first needed.
"""

import hashlib
import hmac
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from issuer.federation.public_keys import InvalidToken, SignedToken
from issuer.federation.token_rules import LEEWAY, required_iat, required_jti, valid_until
from issuer.sign_in.provider_request import NotRecent, ProviderRequest

LOGOUT_EVENT = "http://schemas.openid.net/event/backchannel-logout"
_LOGOUT_TYPE = "logout+jwt"
_HASHES = {"EdDSA": "sha512", "Ed25519": "sha512"}  # of others, the digits in their name


def check_id_token(
    claims: Mapping[str, Any], asked: ProviderRequest, client_id: str, now: datetime
) -> None:
    """OpenID Connect Core §3.1.3.7, after the signature; also `NotRecent`."""
    _require_common(claims, asked.issuer, client_id, now)
    if not _is_equal(claims.get("nonce"), asked.nonce):
        raise InvalidToken("nonce is not the one that was sent")
    if not isinstance(claims.get("sub"), str):
        raise InvalidToken("sub is missing")
    if asked.max_age is not None:
        _require_recent(claims.get("auth_time"), asked, asked.max_age, now)


def check_id_token_type(token: SignedToken) -> None:
    """RFC 8725 §3.11."""
    if token.typ not in {"", "jwt"}:
        raise InvalidToken("typ is that of another kind of token")


def check_at_hash(claims: Mapping[str, Any], header: Mapping[str, Any], token: str) -> None:
    """`at_hash` is optional in the code flow (OpenID Connect Core §3.1.3.8)."""
    if "at_hash" not in claims:
        return
    alg = str(header.get("alg"))
    digest = hashlib.new(_HASHES.get(alg, f"sha{alg[-3:]}"), token.encode()).digest()
    expected = urlsafe_b64encode(digest[: len(digest) // 2]).decode().rstrip("=")
    if not _is_equal(claims["at_hash"], expected):
        raise InvalidToken("at_hash is not that of the access token")


def check_logout_token(
    token: SignedToken, claims: Mapping[str, Any], issuer: str, client_id: str, now: datetime
) -> tuple[str, datetime]:
    """OpenID Back-Channel Logout §2.6, after the signature: its `jti`, and when it expires."""
    if token.typ not in {"", "jwt", _LOGOUT_TYPE}:
        raise InvalidToken("typ is that of another kind of token")
    expires_at = _require_common(claims, issuer, client_id, now)
    events = claims.get("events")
    if not isinstance(events, dict) or not isinstance(events.get(LOGOUT_EVENT), dict):
        raise InvalidToken("events does not say that somebody signed out")
    if "nonce" in claims:
        raise InvalidToken("it has a nonce, as ID tokens do")
    for name in ("sub", "sid"):
        if not isinstance(claims.get(name, ""), str):
            raise InvalidToken(f"{name} is not a text")
    if not claims.get("sub") and not claims.get("sid"):
        raise InvalidToken("it names neither sub nor sid")
    return required_jti(claims), expires_at


def _require_common(
    claims: Mapping[str, Any], issuer: str, client_id: str, now: datetime
) -> datetime:
    if claims.get("iss") != issuer:
        raise InvalidToken("iss is another issuer")
    _require_audience(claims, client_id)
    expires_at = valid_until(claims, now)
    required_iat(claims)
    return expires_at


def _require_audience(claims: Mapping[str, Any], client_id: str) -> None:
    """`InvalidToken` unless it was issued to this client; of several audiences, `azp` names it."""
    audience, party = claims.get("aud"), claims.get("azp", client_id)
    audiences = audience if isinstance(audience, list) else [audience]
    if client_id not in audiences or not all(isinstance(each, str) for each in audiences):
        raise InvalidToken("aud is not the client here")
    if party != client_id or (len(audiences) > 1 and "azp" not in claims):
        raise InvalidToken("azp is not the client here")


def _require_recent(auth_time: object, asked: ProviderRequest, max_age: int, now: datetime) -> None:
    if isinstance(auth_time, bool) or not isinstance(auth_time, int | float):
        raise NotRecent("the ID token: auth_time is missing, though a recent sign-in was asked for")
    earliest = now - timedelta(seconds=max_age)
    if max_age == 0:  # in whole seconds, of another clock
        earliest = asked.created_at - LEEWAY
    if not earliest.timestamp() <= auth_time <= (now + LEEWAY).timestamp():
        raise NotRecent("the ID token: auth_time is not as recent as was asked for")


def _is_equal(value: object, expected: str) -> bool:
    sent = value if isinstance(value, str) else ""
    return hmac.compare_digest(sent.encode("utf-8", "surrogatepass"), expected.encode())
