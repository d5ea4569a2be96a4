"""Revocations: which access tokens are refused before they expire.

Domain packages call `Revocations` in the transaction of the change that revokes tokens.
`RevocationView` is what a process knows of all revocations; issuing and verifying tokens use it.
The feed is described in docs/reference/revocation-feed.md.
"""

from issuer.revocations.revocations import FeedFull, Revocations, issued_so_far
from issuer.revocations.revoked import RevocationView, Revoked
from issuer.revocations.share import FeedLimits, TokenIdentity

__all__ = [
    "FeedFull",
    "FeedLimits",
    "RevocationView",
    "Revocations",
    "Revoked",
    "TokenIdentity",
    "issued_so_far",
]
