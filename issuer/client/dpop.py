"""Proves that this client has a key, to which its tokens are bound (DPoP, RFC 9449)."""

import base64
import hashlib
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import httpx

from issuer.client.credentials import PrivateKey
from issuer.client.metadata import Origin, origin_of, origin_text

DPOP = "DPoP"
ALGORITHMS = ("ES256", "EdDSA", "PS256", "RS256")
_NONCE = "DPoP-Nonce"
_USE_NONCE = "use_dpop_nonce"
_PUBLIC = ("kty", "crv", "x", "y", "n", "e")
_MAX_ORIGINS, _MAX_NONCE = 100, 1024


class ProofMaker:
    """Makes a proof for each request, with one key and the last nonce of each origin.

    The key is `key`, read once, or else a new one for ES256 that ends with the process. PyJWT with
    cryptography signs. `ValueError` for a key that no algorithm of RFC 9449 is for.
    """

    def __init__(
        self, key: PrivateKey | None = None, *, wall_clock: Callable[[], float] = time.time
    ) -> None:
        import jwt  # noqa: PLC0415 - an extra

        self._key, self._alg = _new_key() if key is None else _key_of(key)
        if self._alg not in ALGORITHMS:
            raise ValueError(f"The key must be for {', '.join(ALGORITHMS)}, not {self._alg}.")
        algorithm: Any = jwt.PyJWS().get_algorithm_by_name(self._alg)
        jwk = algorithm.to_jwk(self._key.public_key(), as_dict=True)
        self._header = {"typ": "dpop+jwt", "jwk": {it: jwk[it] for it in _PUBLIC if it in jwk}}
        self._wall_clock = wall_clock
        self._nonces: OrderedDict[Origin, str] = OrderedDict()
        self.forget_lock()

    def __repr__(self) -> str:
        return f"ProofMaker({self._alg})"

    def proof(self, method: str, url: str | httpx.URL, token: str | None = None) -> str:
        """A new proof for one request, with the access token that it presents."""
        import jwt  # noqa: PLC0415 - an extra

        target = httpx.URL(url)
        origin = origin_of(target)
        path = target.raw_path.decode().partition("?")[0]
        claims: dict[str, Any] = {
            "jti": secrets.token_urlsafe(16),
            "htm": method,
            "htu": origin_text(origin) + path,
            "iat": int(self._wall_clock()),
        }
        if token is not None:
            digest = hashlib.sha256(token.encode()).digest()
            claims["ath"] = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        with self._lock:
            nonce = self._nonces.get(origin)
        if nonce is not None:
            claims["nonce"] = nonce
        return jwt.encode(claims, self._key, self._alg, headers=self._header)

    def keep_nonce(self, url: str | httpx.URL, nonce: str | None) -> None:
        """The next proof for that origin has the nonce that it has sent (RFC 9449 §8.2)."""
        if not nonce or len(nonce) > _MAX_NONCE:
            return
        origin = origin_of(httpx.URL(url))
        with self._lock:
            self._nonces[origin] = nonce
            self._nonces.move_to_end(origin)
            while len(self._nonces) > _MAX_ORIGINS:
                self._nonces.popitem(last=False)

    def asks_for_nonce(self, response: httpx.Response) -> bool:
        """Keep the nonce of a resource's answer. Whether it refuses the proof for lack of one."""
        nonce = response.headers.get(_NONCE)
        self.keep_nonce(response.url, nonce)
        is_refused = response.status_code == httpx.codes.UNAUTHORIZED
        return bool(nonce) and is_refused and _USE_NONCE in _challenge(response)

    def forget_lock(self) -> None:
        """In a forked child: a thread that held it did not come along."""
        self._lock = threading.Lock()


def authorization(
    proofs: ProofMaker | None, token: str, method: str, url: str | httpx.URL
) -> dict[str, str]:
    """The headers with which a request presents the token: with a proof, if it is bound."""
    if proofs is None:
        return {"Authorization": f"Bearer {token}"}
    return {"Authorization": f"{DPOP} {token}", DPOP: proofs.proof(method, url, token)}


def is_about_proof(response: httpx.Response) -> bool:
    """Whether the proof was refused: another token would not help."""
    return "invalid_dpop_proof" in _challenge(response)


def _challenge(response: httpx.Response) -> str:
    value: str = response.headers.get("WWW-Authenticate", "")
    return value


def _new_key() -> tuple[Any, str]:
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415 - an extra

    return ec.generate_private_key(ec.SECP256R1()), "ES256"


def _key_of(key: PrivateKey) -> tuple[Any, str]:
    private, _, algorithm = key.signing_key()
    return private, algorithm
