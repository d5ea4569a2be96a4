"""Revocations: which access tokens are refused before they expire (CONTRACT §6).

Rooms call `Revocations` in the transaction of the change that takes tokens back.
"""

from issuer.revocations.revocations import Revocations

__all__ = ["Revocations"]
