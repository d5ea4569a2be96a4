"""Reading what the house has signed long ago: by the public parts that outlive their keys."""

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any

from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import import_key

from issuer.keys.signing_key import SigningKey

_MAX_KEYS_READY = 64


class StatementReader:
    """Verifies JWTs of one `typ`, signed by any key there ever was: destroyed ones as well.

    A revoked key may be in somebody else's hands. What it signed is believed here only, where a
    keyed hash stands beside it.
    """

    def __init__(self, typ: str, keys: Callable[[], Iterable[SigningKey]]) -> None:
        self._typ = typ
        self._keys = keys
        self._public = lru_cache(_MAX_KEYS_READY)(self._found)

    def read(self, token: str) -> dict[str, Any] | None:
        """What `token` says; None if it is no such statement of ours."""
        try:
            header = jws.extract_compact(token.encode()).headers()
            key, alg = self._public(str(header.get("kid")))
            if header.get("typ") != self._typ:
                return None
            return dict(jwt.decode(token, key, algorithms=[alg]).claims)
        except (JoseError, ValueError, TypeError, LookupError):
            return None

    def _found(self, kid: str) -> tuple[Any, str]:
        """`LookupError` if there is none. The id is that of the key, whatever the row says."""
        for key in self._keys():
            if key.kid == kid:
                public = import_key(dict(key.public_jwk))
                if public.thumbprint() == kid:
                    return public, key.alg.value
        raise LookupError(kid)
