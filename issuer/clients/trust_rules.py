"""Whether a token of a trusted issuer is what a client trusts. Pure functions."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from issuer.clients.assertion_rules import checked_times
from issuer.directory import TrustedIssuerRecord
from issuer.errors import InvalidCredentials


def is_named_by(issuer: TrustedIssuerRecord, claims: Mapping[str, Any]) -> bool:
    """Whether the token says that it is of this issuer.

    A JWT-SVID has no `iss`: its `sub` begins with the trust domain (SPIFFE JWT-SVID §3).
    """
    named = claims.get("iss")
    if named is None and issuer.is_trust_domain:
        subject = claims.get("sub")
        return isinstance(subject, str) and subject.startswith(f"{issuer.issuer}/")
    return isinstance(named, str) and named == issuer.issuer


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
        if _canonical(claims[name]) != _canonical(value):
            return f"the claim {name} is another"
    return None


def _is_for(audience: object, wanted: str) -> bool:
    """RFC 7519 §4.1.3: one audience, or a list of them."""
    if isinstance(audience, list):
        return all(isinstance(each, str) for each in audience) and wanted in audience
    return audience == wanted


def _canonical(value: object) -> str:
    """As whole JSON values: 1, 1.0, true and "1" are four."""
    return json.dumps(value, sort_keys=True)
