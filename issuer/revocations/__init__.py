"""Revocations: which access tokens are refused before they expire (CONTRACT §6).

Rooms call `Revocations` in the transaction of the change that takes tokens back;
`RevocationView` is what a process knows of all of them, for whoever issues or believes tokens.
"""

from issuer.revocations.revocations import FeedFull, Revocations, issued_so_far
from issuer.revocations.revoked import RevocationView, Revoked
from issuer.revocations.share import FeedLimits

__all__ = ["FeedFull", "FeedLimits", "RevocationView", "Revocations", "Revoked", "issued_so_far"]
