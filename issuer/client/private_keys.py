"""Assertions of a client that holds a private key: `private_key_jwt` (RFC 7523 §2.2)."""

import errno
import json
import os
import secrets
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from issuer.client.errors import TokenUnavailable

LARGEST = 64 * 1024


def read_text(path: Path) -> str:
    """The content of a regular file of at most 64 KiB, without spaces and newlines around it.

    `OSError` or `ValueError` otherwise, also if it is empty. Reading a pipe or a device may never
    end. A link is followed: Kubernetes mounts secrets as links.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            content = file.read(LARGEST + 1)
    finally:
        os.close(descriptor)
    if len(content) > LARGEST:
        raise OSError(errno.EFBIG, f"it is larger than {LARGEST} bytes")
    return content.decode("utf-8").strip()


LIFETIME = 60


class PrivateKey:
    """The private key of a client, in a file that may change, or as text: PEM or a JWK.

    `kid` and `algorithm` are those of the JWK unless given. A PEM key has the usual algorithm of
    its kind: RS256, ES256, ES384, ES512 or EdDSA. PyJWT with cryptography signs. `ValueError` for
    text that is neither.
    """

    def __init__(
        self,
        key: str | os.PathLike[str],
        *,
        kid: str | None = None,
        algorithm: str | None = None,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        if isinstance(key, str) and not key.lstrip().startswith(("{", "-----BEGIN")):
            raise ValueError("key must be the Path of a file, or text: PEM or a JWK.")
        self._key = key
        self._kid = kid
        self._algorithm = _known_name(algorithm)
        self._wall_clock = wall_clock

    def __repr__(self) -> str:
        where = "text" if isinstance(self._key, str) else str(Path(self._key))
        return f"PrivateKey(<{where}>)"

    def assertion(self, client_id: str, issuer: str) -> str:
        """A new assertion for this issuer alone, valid for one minute and one request.

        `OSError` if the file cannot be read, and other errors for what is no private key.
        """
        import jwt  # noqa: PLC0415 - clients with a secret do without

        key, kid, algorithm = self._signing_key()
        now = int(self._wall_clock())
        claims = {"iss": client_id, "sub": client_id, "aud": issuer, "iat": now}
        claims |= {"exp": now + LIFETIME, "jti": secrets.token_urlsafe(16)}
        return jwt.encode(claims, key, algorithm, headers={"kid": kid} if kid else None)

    def _signing_key(self) -> tuple[Any, str | None, str]:
        text = self._key if isinstance(self._key, str) else read_text(Path(self._key))
        if not text.lstrip().startswith("{"):
            from cryptography.hazmat.primitives import serialization  # noqa: PLC0415

            key = serialization.load_pem_private_key(text.encode(), password=None)
            return key, self._kid, self._algorithm or _usual_algorithm(key)
        from jwt import PyJWK  # noqa: PLC0415

        document = json.loads(text)
        if "d" not in document:
            raise TokenUnavailable("The JWK of the client is not a private key.")
        jwk = PyJWK.from_dict(document, self._algorithm or _known_name(document.get("alg")))
        return jwk.key, self._kid or jwk.key_id, jwk.algorithm_name


def _known_name(algorithm: str | None) -> str | None:
    """PyJWT does not know the name of RFC 9864."""
    return "EdDSA" if algorithm == "Ed25519" else algorithm


def _usual_algorithm(key: Any) -> str:
    """By the kind of the key (RFC 7518 §3.1, RFC 8037 §3.1)."""
    curve = getattr(getattr(key, "curve", None), "name", None)
    by_curve = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}
    if curve is not None:
        return by_curve[curve]
    return "RS256" if hasattr(key, "private_numbers") else "EdDSA"
