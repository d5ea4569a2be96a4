"""Access tokens: from an authorization to a signed JWT (RFC 9068)."""

from issuer.tokens.authorization import Authorization, scopes_through
from issuer.tokens.issuing import AccessToken, RevokedUntil, Signer, TokenIssuer
from issuer.tokens.reading import (
    IdTokenReader,
    TokenReader,
    VerifiedToken,
    current_scopes,
    holders_of,
    load_current_scopes,
)

__all__ = [
    "AccessToken",
    "Authorization",
    "IdTokenReader",
    "RevokedUntil",
    "Signer",
    "TokenIssuer",
    "TokenReader",
    "VerifiedToken",
    "current_scopes",
    "holders_of",
    "load_current_scopes",
    "scopes_through",
]
