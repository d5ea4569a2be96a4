"""Trusted issuers: others whose tokens are accepted here. Clients name them in their `trusts`."""

from issuer.trusted_issuers.trusted_issuer import (
    TRUSTED_ISSUER,
    TrustedIssuerFields,
    TrustedIssuerResource,
)
from issuer.trusted_issuers.trusted_issuers import TrustedIssuers

__all__ = ["TRUSTED_ISSUER", "TrustedIssuerFields", "TrustedIssuerResource", "TrustedIssuers"]
