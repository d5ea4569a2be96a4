"""A cache of verified tokens, so that no signature is checked twice."""

import json
import threading
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

MAX_TOKENS = 4096


@dataclass(frozen=True, slots=True)
class _Verified:
    starts: float
    ends: float
    kid: str
    claims: bytes


class VerifiedTokens:
    """The last 4,096 tokens verified with one key set, by hash, until they expire.

    A new key set starts with an empty cache, so tokens of removed keys are not found. The caller
    checks revocation each time. `find` returns a copy of the claims.
    """

    def __init__(self) -> None:
        self._adding = threading.Lock()
        self._entries: dict[bytes, _Verified] = {}

    def has(self, token: str, now: float) -> bool:
        """Whether this token was verified and has not expired."""
        return self._entry(token, now) is not None

    def find(self, token: str, now: float) -> tuple[str, dict[str, Any]] | None:
        """The `kid` and the claims of such a token; None if it must be verified first."""
        known = self._entry(token, now)
        return (known.kid, json.loads(known.claims)) if known else None

    def add(
        self, token: str, kid: str, claims: dict[str, Any], *, starts: float, ends: float
    ) -> None:
        entry = _Verified(starts, ends, kid, json.dumps(claims).encode())
        with self._adding:
            if len(self._entries) >= MAX_TOKENS:
                del self._entries[next(iter(self._entries))]
            self._entries[_digest(token)] = entry

    def _entry(self, token: str, now: float) -> _Verified | None:
        known = self._entries.get(_digest(token))
        return known if known and known.starts <= now < known.ends else None


def _digest(token: str) -> bytes:
    return sha256(token.encode("utf-8", "surrogatepass")).digest()
