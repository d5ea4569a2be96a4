"""Less garbage collection: a collection passes over the objects of ten thousand tests."""

import gc
from collections.abc import Iterator

import pytest

_OBJECTS_BETWEEN_COLLECTIONS = 50_000  # as in a server


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection() -> Iterator[None]:
    """Modules and tests live as long as the process: collecting tests creates no garbage."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()
        gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
