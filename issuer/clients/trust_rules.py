"""Whether a token of a trusted issuer is what a client trusts. Pure functions."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from issuer.clients.assertion_rules import checked_times
from issuer.directory.records import TrustedIssuerRecord
from issuer.errors import InvalidCredentials
from issuer.vocabulary import ACCESS_TOKEN_TYPE


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


def is_svid(header: Mapping[str, Any]) -> bool:
    """Whether a JWT-SVID has such a header: its `typ` is no other one (SPIFFE JWT-SVID §2.3)."""
    return header.get("typ", "JWT") in ("JWT", "JOSE")


def wrong_type(header: Mapping[str, Any], required: str | None) -> str | None:
    """Why a token of this `typ` does not count; None if it does (RFC 8725 §3.11).

    Without `required`, any but an access token (RFC 9068 §2.1): its audience is a resource server
    that could present it here.
    """
    typ = header.get("typ")
    of_token = typ.lower().removeprefix("application/") if isinstance(typ, str) else None
    if required is not None:
        return None if of_token == required.lower() else f"typ is not {required}"
    if of_token == ACCESS_TOKEN_TYPE:
        return "the token is an access token by its typ, which the trusted issuer does not name"
    return None


def broken_rule(
    trust: Mapping[str, Any], claims: Mapping[str, Any], own_url: str, now: datetime
) -> str | None:
    """The first rule of the trust that the claims break, without their values; None if none."""
    try:
        checked_times(claims, now)
    except InvalidCredentials as error:
        return error.reason.removeprefix("assertion: ")
    if claims.get("sub") != trust["subject"]:
        return "sub is not the subject of the trust"
    if not _is_for(claims.get("aud"), trust["audience"] or own_url):
        return "aud does not hold the audience of the trust"
    for name, value in trust["claims"].items():
        if name not in claims:
            return f"the claim {name} is missing"
        if not _is_equal(claims[name], value):
            return f"the claim {name} is another"
    return None


def _is_for(audience: object, wanted: str) -> bool:
    """RFC 7519 §4.1.3: one audience, or a list of them."""
    if isinstance(audience, list):
        return all(isinstance(each, str) for each in audience) and wanted in audience
    return audience == wanted


def _is_equal(value: object, wanted: object) -> bool:
    """As whole JSON values: 1, 1.0, true and "1" are four. No deeper than what is `wanted`."""
    if type(value) is not type(wanted):
        return False
    if isinstance(value, dict) and isinstance(wanted, dict):
        same_names = value.keys() == wanted.keys()
        return same_names and all(_is_equal(value[name], wanted[name]) for name in wanted)
    if isinstance(value, list) and isinstance(wanted, list):
        return len(value) == len(wanted) and all(map(_is_equal, value, wanted))
    return value == wanted
