"""Memory of the process."""

import ctypes


def return_free_memory() -> None:
    """Return memory that is free to the system; glibc keeps it between what is in use."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
