"""Argon2id for one thousandth of its costs, where the server of a test is in the same process.

At the usual ones, verifying passwords took a seventh of the time of the tests of pages and tokens.
Servers in processes of their own hash as in production, and so do those who make their users.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from unittest.mock import patch

from issuer.users import passwords

IN_PRODUCTION = passwords.OWASP


def hash_cheaply() -> None:
    passwords.OWASP = replace(IN_PRODUCTION, memory_cost=8, time_cost=1)


@contextmanager
def hashing_as_in_production() -> Iterator[None]:
    with patch.object(passwords, "OWASP", IN_PRODUCTION):
        yield
