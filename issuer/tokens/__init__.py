"""Access tokens: from an authorization to a signed JWT (RFC 9068)."""

from issuer.tokens.authorization import Authorization, held_through
from issuer.tokens.feed import FeedPublisher
from issuer.tokens.id_token import ACR_VALUES, Authentication
from issuer.tokens.issuing import AccessToken, RevokedUntil, Signer, TokenIssuer, TokenTooLarge
from issuer.tokens.reading import IdTokenReader, TokenReader, VerifiedToken, still_held
from issuer.tokens.revoking import TokenRevocations

__all__ = [
    "ACR_VALUES",
    "AccessToken",
    "Authentication",
    "Authorization",
    "FeedPublisher",
    "IdTokenReader",
    "RevokedUntil",
    "Signer",
    "TokenIssuer",
    "TokenReader",
    "TokenRevocations",
    "TokenTooLarge",
    "VerifiedToken",
    "held_through",
    "still_held",
]
