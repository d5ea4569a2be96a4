"""Families of refresh tokens on record: what they were granted, and how they end.

Nothing brings back a family that ended. `issuer.refresh_tokens` gives and takes the tokens.
"""

from issuer.families.family import Family, Lifetimes
from issuer.families.store import FamilyStore

__all__ = ["Family", "FamilyStore", "Lifetimes"]
