"""What can be done beside create, read, change and delete: declared once, for every interface.

Each package of the domain declares its own in `operations.py`; each interface has one renderer.
"""

from issuer.operations.creation import Creation
from issuer.operations.operation import About, Flag, Key, Operation, OperationQuestion, PartOf

__all__ = ["About", "Creation", "Flag", "Key", "Operation", "OperationQuestion", "PartOf"]
