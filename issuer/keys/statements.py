"""Reading what the issuer signed long ago: public keys stay when private ones are destroyed."""

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import import_key

from issuer.keys.signing_key import SigningKey

_MAX_KEYS_READY = 64


class StatementReader:
    """Verifies JWTs of one `typ`, signed by any key there ever was, destroyed ones included.

    A revoked key may be an attacker's. Its signatures are trusted here only because a keyed hash
    (HMAC) is checked as well.
    """

    def __init__(self, typ: str, keys: Callable[[], Iterable[SigningKey]]) -> None:
        self._typ = typ
        self._keys = keys
        self._public = lru_cache(_MAX_KEYS_READY)(self._found)

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

    def _found(self, kid: str) -> tuple[Any, str]:
        """`LookupError` if there is none. The thumbprint is checked against the row's `kid`."""
        for key in self._keys():
            if key.kid == kid:
                public = import_key(dict(key.public_jwk))
                if public.thumbprint() == kid:
                    return public, key.alg.value
        raise LookupError(kid)
