"""Common passwords, which attackers try first: 42,680 in the folder `data`, and repetitions.

Origin and license of the list are in `data/LICENSE-SecLists`.
"""

import gzip
from importlib import resources

LIST = resources.files("issuer.users") / "data" / "common_passwords.txt.gz"


def is_common(password: str) -> bool:
    """Whether `password` (NFC, at least 12 characters) is in the list, in whatever case."""
    # Read each time, for some milliseconds: passwords are set too rarely to keep it in memory.
    listed = gzip.decompress(LIST.read_bytes()).splitlines()
    return password.casefold().encode() in listed


def is_repetition(password: str) -> bool:
    """Whether it repeats one text; the last repetition may be incomplete."""
    folded = password.casefold()
    return any(
        folded == (folded[:length] * len(folded))[: len(folded)]
        for length in range(1, len(folded) // 2 + 1)
    )
