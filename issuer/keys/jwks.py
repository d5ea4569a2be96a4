"""The published key set (RFC 7517 §5), rendered once; reading what any key ever signed."""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import import_key

from issuer.http.etags import etag_of
from issuer.keys.schedule import SigningKey

_MAX_KEYS_READY = 64


@dataclass(frozen=True, slots=True)
class JwksDocument:
    """The published key set with its strong ETag, and when it is planned to change next."""

    body: bytes
    etag: str
    changes_at: datetime | None = None

    def max_age(self, now: datetime, longest: timedelta) -> int:
        """For how many seconds it may be cached: never beyond its next planned change."""
        left = longest if self.changes_at is None else min(longest, self.changes_at - now)
        return max(0, int(left.total_seconds()))


def render(keys: Iterable[SigningKey], changes_at: datetime | None = None) -> JwksDocument:
    """The document of these keys, in this order. The same keys give the same ETag."""
    text = json.dumps({"keys": [dict(key.public_jwk) for key in keys]}, separators=(",", ":"))
    body = text.encode()
    return JwksDocument(body, etag_of(body), changes_at)


class StatementReader:
    """Verifies JWTs of one `typ`, signed by any key there ever was, destroyed ones included.

    A revoked key may be an attacker's. Its signatures are trusted here only because a keyed hash
    (HMAC) is checked as well.
    """

    def __init__(self, typ: str, keys: Callable[[], Iterable[SigningKey]]) -> None:
        self._typ = typ
        self._keys = keys
        self._public = lru_cache(_MAX_KEYS_READY)(self._key_of)

    def read(self, token: str) -> dict[str, Any] | None:
        """The claims of `token`; None if it is no such statement of this issuer."""
        try:
            header = jws.extract_compact(token.encode()).headers()
            key, alg = self._public(str(header.get("kid")))
            if header.get("typ") != self._typ:
                return None
            return dict(jwt.decode(token, key, algorithms=[alg]).claims)
        except (JoseError, ValueError, TypeError, LookupError):
            return None

    def _key_of(self, kid: str) -> tuple[Any, str]:
        """`LookupError` if there is none. The thumbprint is checked against the row's `kid`."""
        for key in self._keys():
            if key.kid == kid:
                public = import_key(dict(key.public_jwk))
                if public.thumbprint() == kid:
                    return public, key.alg.value
        raise LookupError(kid)
