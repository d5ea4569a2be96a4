"""What the issuer logs while a block runs."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def capture_logs() -> Iterator[list[dict[str, Any]]]:
    """The events logged in the block, of every level: their members, with `log_level`."""
    captured: list[dict[str, Any]] = []

    class Captured(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if isinstance(record.msg, dict):
                captured.append({**record.msg, "log_level": record.levelname.lower()})

    root, handler = logging.getLogger(), Captured()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        yield captured
    finally:
        root.setLevel(level)
        root.removeHandler(handler)
