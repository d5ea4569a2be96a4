"""Builds the objects of an issuer, one module per part, and hands each interface what it uses.

No other package reads the clock, the random source or the environment by itself.
"""

from issuer.composition.administration import Access, Administration
from issuer.composition.composition import Composition, ProtocolParts, compose, composed
from issuer.composition.unit_of_work import UnitOfWork

__all__ = [
    "Access",
    "Administration",
    "Composition",
    "ProtocolParts",
    "UnitOfWork",
    "compose",
    "composed",
]
