"""Refresh tokens: rotated at every use, revoked on reuse (RFC 6749 §6, RFC 9700 §4.14.2)."""

from issuer.refresh_tokens.family import PREFIX, Lifetimes, TokenToStore
from issuer.refresh_tokens.refresh_tokens import RefreshTokens

__all__ = ["PREFIX", "Lifetimes", "RefreshTokens", "TokenToStore"]
