"""Revocations: which access tokens are refused before they expire.

Domain packages call `Revocations` in the transaction of the change that revokes tokens.
`RevocationView` is what a process knows of all revocations; issuing and verifying tokens use it.
The feed is described in docs/reference/revocation-feed.md.
"""

from issuer.revocations.revocations import Revocations
from issuer.revocations.revoked import RevocationView
from issuer.revocations.share import TokenIdentity

__all__ = ["RevocationView", "Revocations", "TokenIdentity"]
