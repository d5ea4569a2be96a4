"""Files that are nobody else's."""

import os
from pathlib import Path


def write_private(path: Path, text: str) -> None:
    """A file of mode 0600, complete or not there at all."""
    partial = path.with_suffix(".partial")
    partial.unlink(missing_ok=True)
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.rename(path)
