"""What all resources have in common: a definition, and a collection of them in the database.

A new resource is a `ResourceType`, whose members are described once (`Member`), a store, and a
`Collection` with its rules.
"""

from issuer.resources.collection import (
    Collection,
    Principals,
    Transaction,
    WithinTransaction,
    one_of,
)
from issuer.resources.command import Command
from issuer.resources.resource_type import ResourceType

__all__ = [
    "Collection",
    "Command",
    "Principals",
    "ResourceType",
    "Transaction",
    "WithinTransaction",
    "one_of",
]
