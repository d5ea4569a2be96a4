"""Less garbage collection, which passes over the objects of ten thousand tests; and when."""

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


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    """Collect after each module: a connection that it left open is closed now.

    Closed later, it would log that its database is gone, into the output of another test. What is
    left is not passed over again: it would take a quarter of the time of all tests.
    """
    try:
        return (yield)
    finally:
        if nextitem is None or nextitem.path != item.path:
            gc.collect()
            gc.freeze()
