"""Values: dataclasses that nobody changes, and what is computed of them once."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar, dataclass_transform

T = TypeVar("T")
V = TypeVar("V")


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def value(cls: type[T]) -> type[T]:
    """A frozen dataclass for mypy, which finds code that would change it.

    With `frozen=True`, making one takes four times as long: a token takes a dozen.
    """
    return dataclass(slots=True, unsafe_hash=True)(cls)


class lazy_property(Generic[V]):  # noqa: N801 - a decorator
    """A property that is computed once for each object, when it is needed.

    `functools.cached_property` of Python 3.11 lets one thread at a time compute it, for all
    objects: a slow query would hold up every other page.
    """

    def __init__(self, compute: Callable[[Any], V]) -> None:
        self._compute = compute

    def __set_name__(self, _: type, name: str) -> None:
        self._name = name

    def __get__(self, of: Any, _: type | None = None) -> V:
        found = of.__dict__[self._name] = self._compute(of)
        return found
