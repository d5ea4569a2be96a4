"""The published key set (RFC 7517 §5), rendered once for all requests."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from issuer.http.etags import etag_of
from issuer.keys.signing_key import SigningKey


@dataclass(frozen=True, slots=True)
class JwksDocument:
    """The published key set: `application/jwk-set+json`, with its strong ETag.

    Its next planned change is at `changes_at`.
    """

    body: bytes
    etag: str
    changes_at: datetime | None = None

    def max_age(self, now: datetime, longest: timedelta) -> int:
        """For how many seconds it may be cached: never beyond its next planned change."""
        left = longest if self.changes_at is None else min(longest, self.changes_at - now)
        return max(0, int(left.total_seconds()))


def rendered(keys: Iterable[SigningKey], changes_at: datetime | None = None) -> JwksDocument:
    """The document of these keys, in this order. The same keys give the same ETag."""
    text = json.dumps({"keys": [dict(key.public_jwk) for key in keys]}, separators=(",", ":"))
    body = text.encode()
    return JwksDocument(body, etag_of(body), changes_at)
