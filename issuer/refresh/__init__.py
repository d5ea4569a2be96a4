"""Refresh tokens: given with a sign-in, changed at every use, ended when one is used twice.

RFC 6749 §6, RFC 9700 §4.14.2. What is on record of them is in `issuer.families`.
"""

from issuer.refresh.in_use import Asked, Issue, Presented
from issuer.refresh.refresh_tokens import RefreshTokens
from issuer.refresh.text import PREFIX, RefreshTokenMaker

__all__ = [
    "PREFIX",
    "Asked",
    "Issue",
    "Presented",
    "RefreshTokenMaker",
    "RefreshTokens",
]
