"""Access tokens: from an authorization to a signed JWT (RFC 9068)."""

from issuer.tokens.authorization import Authorization, held_through
from issuer.tokens.issuing import AccessToken, RevokedUntil, Signer, TokenIssuer
from issuer.tokens.reading import (
    IdTokenReader,
    TokenReader,
    VerifiedToken,
    held_by,
    holders_of,
    still_held,
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
    "held_by",
    "held_through",
    "holders_of",
    "still_held",
]
