"""The claims of an ID token (OpenID Connect Core §2 and §3.1.3.6). Pure functions."""

import hashlib
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from issuer.tokens.authorization import Authorization
from issuer.vocabulary import SigningAlgorithm

# What `acr` may be, from weak to strong: of SAML 2.0 Authentication Context §3.4, OpenID PAPE 1.0
# §4 and OpenID Connect Extended Authentication Profile ACR Values §3.
PASSWORD = "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"  # noqa: S105
MULTI_FACTOR = "http://schemas.openid.net/pape/policies/2007/06/multi-factor"
PHISHING_RESISTANT = "phr"
ACR_VALUES = (PASSWORD, MULTI_FACTOR, PHISHING_RESISTANT)


@dataclass(frozen=True, slots=True)
class Authentication:
    """How and when the user signed in: `methods` as in RFC 8176, `session_id` of the browser."""

    authenticated_at: datetime
    methods: tuple[str, ...]
    session_id: str
    nonce: str | None = field(repr=False)


def id_token_claims(
    authorization: Authorization,
    authentication: Authentication,
    *,
    issuer: str,
    issued_at: int,
    expires_at: int,
    at_hash: str,
) -> dict[str, object]:
    """Every claim of the ID token: who signed in, when and how, for which client."""
    claims: dict[str, object] = {
        "iss": issuer,
        "sub": authorization.subject,
        "aud": authorization.client.client_id,
        "exp": expires_at,
        "iat": issued_at,
        "auth_time": int(authentication.authenticated_at.timestamp()),
        "sid": authentication.session_id,
        "at_hash": at_hash,
    }
    if authentication.methods:  # not every trusted issuer says how somebody signed in there
        claims |= {"amr": list(authentication.methods), "acr": acr_of(authentication.methods)}
    if authentication.nonce is not None:
        claims["nonce"] = authentication.nonce
    return claims


def acr_of(methods: Sequence[str]) -> str:
    """How strong a sign-in by these methods is (OpenID Connect Core §2)."""
    if not {"hwk", "swk"}.isdisjoint(methods):
        return PHISHING_RESISTANT
    return MULTI_FACTOR if "mfa" in methods else PASSWORD


def at_hash(access_token: str, alg: SigningAlgorithm) -> str:
    """The left half of the hash of the access token, by the hash function of `alg`."""
    is_ed25519 = alg in {SigningAlgorithm.EDDSA, SigningAlgorithm.ED25519}
    name = "sha512" if is_ed25519 else "sha256"
    digest = hashlib.new(name, access_token.encode()).digest()
    return urlsafe_b64encode(digest[: len(digest) // 2]).decode().rstrip("=")
