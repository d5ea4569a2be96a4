"""The rules for assertions and for tokens of trusted issuers (RFC 7523 §3). Pure functions."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from issuer.clients.authentication import VerifiedAssertion
from issuer.directory.records import TrustedIssuerRecord
from issuer.errors import InvalidCredentials
from issuer.federation import public_keys
from issuer.federation.fetching import KeyFetch
from issuer.fields.json import same_json
from issuer.vocabulary import (
    ACCESS_TOKEN_TYPE,
    GLOBAL_REVOCATION_TYPE,
    ID_JAG_TYPE,
    LOGOUT_TYPE,
    SECURITY_EVENT_TYPE,
)

MAX_LIFETIME = timedelta(minutes=10)
MAX_ID_JAG = timedelta(minutes=5)
# draft-ietf-oauth-rfc7523bis §4 names the last one.
ASSERTION_TYPES = {"", "jwt", "client-authentication+jwt"}
_OTHER_KINDS = {
    ID_JAG_TYPE: "an ID-JAG",
    LOGOUT_TYPE: "a logout token",
    SECURITY_EVENT_TYPE: "a security event token",
    GLOBAL_REVOCATION_TYPE: "for a global token revocation",
}


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
    token: public_keys.SignedToken, keys: public_keys.PublicKeys, fetch_keys: KeyFetch | None
) -> dict[str, Any]:
    """The claims, if one of the keys has signed them; `InvalidCredentials` says why not."""
    try:
        return token.claims_by(keys)
    except public_keys.UnknownKey as error:
        if fetch_keys is not None:
            raise KeyFetchRequiredError(fetch_keys) from None
        raise InvalidCredentials(f"assertion: {error}") from None
    except public_keys.InvalidToken as error:
        raise InvalidCredentials(f"assertion: {error}") from None


def checked_claims(
    claims: Mapping[str, Any], client_id: str, issuer: str, now: datetime
) -> tuple[str, datetime]:
    """The `jti` and when it expires, if `client_id` may use it once at `now` for this `issuer`.

    `InvalidToken` says which rule it breaks. Its `aud` must be the issuer alone, as a
    string: an assertion for another server, or for several, could be used by that server.
    """
    if claims.get("iss") != client_id:
        raise public_keys.InvalidToken("iss is not the client")
    if claims.get("sub") != client_id:
        raise public_keys.InvalidToken("sub is not the client")
    if claims.get("aud") != issuer:
        raise public_keys.InvalidToken("aud is not the issuer alone, as a string")
    expires_at = public_keys.valid_until(claims, now)
    if expires_at - now > MAX_LIFETIME:
        raise public_keys.InvalidToken("exp is more than 10 minutes away")
    return public_keys.required_jti(claims), expires_at


def checked_id_jag(
    claims: Mapping[str, Any], client_id: str, issuer: str, now: datetime
) -> tuple[str, datetime]:
    """The `jti` and when it expires, if `client_id` may use it once at `now` at this `issuer`.

    `InvalidToken` says which rule it breaks (draft-ietf-oauth-identity-assertion-authz-grant-03
    §4.4.1, RFC 7523 §3). It is for this issuer alone, and was made for this client.
    """
    if claims.get("aud") not in (issuer, [issuer]):
        raise public_keys.InvalidToken("aud is not this issuer alone")
    if claims.get("client_id") != client_id:
        raise public_keys.InvalidToken("client_id is another client")
    if "cnf" in claims:
        raise public_keys.InvalidToken("it is bound to a key by cnf, which is not supported")
    if "authorization_details" in claims:  # they may narrow what scope does not
        raise public_keys.InvalidToken("it has authorization_details, which are not supported")
    expires_at = public_keys.valid_until(claims, now)
    if expires_at - public_keys.required_iat(claims) > MAX_ID_JAG:
        raise public_keys.InvalidToken("exp is more than 5 minutes after iat")
    return public_keys.required_jti(claims), expires_at


def audited_jti(claims: Mapping[str, Any]) -> str | None:
    """The `jti` for the audit log; None unless it is 1 to 255 printable characters."""
    jti = claims.get("jti")
    is_fit = isinstance(jti, str) and 0 < len(jti) <= public_keys.MAX_JTI and jti.isprintable()
    return jti if is_fit else None


def is_named_by(issuer: TrustedIssuerRecord, claims: Mapping[str, Any]) -> bool:
    """Whether the token says that it is of this issuer.

    A JWT-SVID needs no `iss`: its `sub` begins with the trust domain (SPIFFE JWT-SVID §3). No key
    of a trust domain speaks for another one.
    """
    named, subject = claims.get("iss"), claims.get("sub")
    if not issuer.is_trust_domain:
        return isinstance(named, str) and named == issuer.issuer
    is_of_domain = isinstance(subject, str) and subject.startswith(f"{issuer.issuer}/")
    return is_of_domain and named in (None, issuer.issuer)


def wrong_type(token: public_keys.SignedToken, required: str | None) -> str | None:
    """Why a token does not count by its `typ`; None if it does (RFC 8725 §3.11).

    Without `required`, any but an access token (RFC 9068 §2.1), whose audience is a resource server
    that could present it here, an ID-JAG, which is a grant and no authentication, and what an
    issuer says about people.
    """
    if required is not None:
        return None if token.typ == required.lower() else f"typ is not {required}"
    if token.typ == ACCESS_TOKEN_TYPE:
        return "the token is an access token by its typ, which the trusted issuer does not name"
    kind = _OTHER_KINDS.get(token.typ or "")
    return f"the token is {kind} by its typ" if kind else None


def broken_rule(
    trust: Mapping[str, Any], claims: Mapping[str, Any], audiences: Iterable[str], now: datetime
) -> str | None:
    """The first rule of the trust that the claims break, without their values; None if none.

    The token must be for one of the `audiences`.
    """
    try:
        public_keys.valid_until(claims, now)
    except public_keys.InvalidToken as error:
        return str(error)
    if claims.get("sub") != trust["subject"]:
        return "sub is not the subject of the trust"
    if not any(_is_for(claims.get("aud"), each) for each in audiences):
        return "aud does not hold the audience of the trust"
    for name, value in trust["claims"].items():
        if name not in claims:
            return f"the claim {name} is missing"
        if not same_json(claims[name], value):
            return f"the claim {name} is another"
    return None


def _is_for(audience: object, wanted: str) -> bool:
    """RFC 7519 §4.1.3: one audience, or a list of them."""
    if isinstance(audience, list):
        return all(isinstance(each, str) for each in audience) and wanted in audience
    return audience == wanted
