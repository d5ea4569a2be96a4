"""What the domain would refuse is not offered."""

from collections.abc import Callable

from issuer.errors import Forbidden


def is_permitted(authorize: Callable[[str], None], key: str) -> bool:
    """Whether `authorize`, of the operator's unit of work, lets the operator do it."""
    try:
        authorize(key)
    except Forbidden:
        return False
    return True
