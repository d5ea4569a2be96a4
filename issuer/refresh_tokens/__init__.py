"""Refresh tokens: given with a sign-in, changed at every use, ended when one is used twice.

RFC 6749 §6, RFC 9700 §4.14.2. What is on record of them is in `issuer.families`.
"""

from issuer.refresh_tokens.in_use import Asked, Issue, Presented
from issuer.refresh_tokens.refresh_tokens import RefreshTokens
from issuer.refresh_tokens.text import PREFIX, RefreshTokenMaker

__all__ = [
    "PREFIX",
    "Asked",
    "Issue",
    "Presented",
    "RefreshTokenMaker",
    "RefreshTokens",
]
