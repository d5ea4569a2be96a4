"""Files that an argument names. They are read up to a bound: one could be an endless device."""

from pathlib import Path

from issuer.errors import IssuerError
from issuer.files import reason_of

MAX_BYTES = 5 * 1024 * 1024


def content_of(file: str | Path, max_bytes: int = MAX_BYTES) -> bytes:
    """The content of a file; `IssuerError` if it is larger than `max_bytes`, or unreadable."""
    content = beginning_of(file, max_bytes)
    if len(content) > max_bytes:
        raise IssuerError(f"{file} is larger than {max_bytes} bytes.")
    return content


def beginning_of(file: str | Path, max_bytes: int = MAX_BYTES) -> bytes:
    """The first `max_bytes` of a file, and one byte more if it is larger."""
    try:
        with Path(file).open("rb") as opened:
            return opened.read(max_bytes + 1)
    except (OSError, ValueError) as error:
        raise IssuerError(f"{file} cannot be read: {reason_of(error)}.") from None
