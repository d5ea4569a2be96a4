"""Links that are sent by mail and stored nowhere: any change of what one is for ends it."""

import base64
import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

_DIGEST_BYTES, _TIME_BYTES = 32, 6


@dataclass(frozen=True, slots=True)
class LinkToken:
    """What a token says, which is not checked: what it is `about`, and until when it is valid."""

    about: str
    expires_at: datetime
    digest: bytes = field(repr=False)


@dataclass(frozen=True, repr=False)
class LinkTokens:
    """A token holds what it is about, its end in whole seconds, and a digest of the state then."""

    _key: bytes

    def make(self, about: str, expires_at: datetime, state: Sequence[object]) -> str:
        seconds = int(expires_at.timestamp()).to_bytes(_TIME_BYTES)
        text = self._digest(about, expires_at, state) + seconds + about.encode()
        return base64.urlsafe_b64encode(text).decode().rstrip("=")

    def read(self, token: str) -> LinkToken | None:
        """What the token says; None if it has another form."""
        try:
            decoded = base64.b64decode(token + "=" * (-len(token) % 4), b"-_", validate=True)
            digest, rest = decoded[:_DIGEST_BYTES], decoded[_DIGEST_BYTES:]
            seconds, about = int.from_bytes(rest[:_TIME_BYTES]), rest[_TIME_BYTES:].decode()
            return LinkToken(about, datetime.fromtimestamp(seconds, UTC), digest)
        except (ValueError, OverflowError, OSError):
            return None

    def is_valid(self, token: LinkToken, state: Sequence[object], now: datetime) -> bool:
        """Whether it is of this issuer, has not expired, and the state is what it was then."""
        expected = self._digest(token.about, token.expires_at, state)
        return hmac.compare_digest(token.digest, expected) and now < token.expires_at

    def _digest(self, about: str, expires_at: datetime, state: Sequence[object]) -> bytes:
        text = json.dumps([int(expires_at.timestamp()), about, *state])
        return hmac.digest(self._key, text.encode(), "sha256")
