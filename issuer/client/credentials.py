"""How a client authenticates: by a secret, or by an assertion (RFC 7521, RFC 7523)."""

import base64
import errno
import json
import os
import secrets
import stat
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from issuer.client.errors import TokenUnavailable

LARGEST = 64 * 1024
LIFETIME = 60


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
        import jwt  # noqa: PLC0415 - an extra

        key, kid, algorithm = self.signing_key()
        now = int(self._wall_clock())
        claims = {"iss": client_id, "sub": client_id, "aud": issuer, "iat": now}
        claims |= {"exp": now + LIFETIME, "jti": secrets.token_urlsafe(16)}
        return jwt.encode(claims, key, algorithm, headers={"kid": kid} if kid else None)

    def signing_key(self) -> tuple[Any, str | None, str]:
        """The key, its `kid` and its algorithm; errors as those of `assertion`."""
        text = self._key if isinstance(self._key, str) else read_text(Path(self._key))
        if not text.lstrip().startswith("{"):
            from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - an extra

            key = serialization.load_pem_private_key(text.encode(), password=None)
            return key, self._kid, self._algorithm or _usual_algorithm(key)
        from jwt import PyJWK  # noqa: PLC0415 - an extra

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


Secret = str | os.PathLike[str] | Callable[[], str]
Assertion = str | os.PathLike[str] | PrivateKey | Callable[[], str]

_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@dataclass(frozen=True, slots=True)
class Credential:
    """Where the secret or the assertion of a client comes from, read anew for each request."""

    source: Callable[[], str] = field(repr=False)
    is_assertion: bool
    is_file: bool = False
    is_callable: bool = False

    @property
    def name(self) -> str:
        return "client assertion" if self.is_assertion else "client secret"

    def read(self) -> str:
        """The secret or assertion; `TokenUnavailable` with the cause if there is none."""
        cause: Exception | None = None
        try:
            value = self.source()
        except TokenUnavailable:
            raise
        except UnicodeDecodeError:
            problem = "is not UTF-8"
        except OSError as error:
            problem = f"cannot be read: {error}"
        except Exception as error:
            problem = f"cannot be made: {type(error).__name__}"
            cause = error if self.is_callable else None
        else:
            if isinstance(value, str) and value:
                return value
            problem = "is empty" if value == "" else f"is no text but {type(value).__name__}"
        # Outside of the `except`: the error that was caught may hold what was read.
        raise TokenUnavailable(f"The {self.name} {problem}.") from cause

    def has_changed(self, value: str) -> bool:
        """Whether the file has another content than `value`, which was read from it."""
        try:
            return self.is_file and self.read() != value
        except TokenUnavailable:
            return False

    def present(
        self, value: str, client_id: str, *, basic: bool
    ) -> tuple[dict[str, str], dict[str, str]]:
        """Headers and form members (RFC 6749 §2.3.1, RFC 7521 §4.2)."""
        if self.is_assertion:
            assertion = {"client_assertion_type": _ASSERTION_TYPE, "client_assertion": value}
            return {}, {"client_id": client_id, **assertion}
        if not basic:
            return {}, {"client_id": client_id, "client_secret": value}
        pair = f"{quote(client_id, safe='')}:{quote(value, safe='')}".encode()
        return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}, {}


def credential_of(
    issuer: str, client_id: str, client_secret: Secret | None, assertion: Assertion | None
) -> Credential:
    """The credential that these arguments of a `TokenClient` describe; `ValueError` if none."""
    if (client_secret is None) == (assertion is None):
        raise ValueError("Name the credential: client_secret or assertion, and not both.")
    if isinstance(assertion, PrivateKey):
        return Credential(partial(assertion.assertion, client_id, issuer), is_assertion=True)
    if _is_jwt(assertion):
        raise ValueError("assertion must be a file or a callable: an assertion itself expires.")
    if isinstance(client_secret, str):
        if not client_secret:
            raise ValueError("client_secret is empty.")
        return Credential(lambda: client_secret, is_assertion=False)
    value: Any = client_secret if assertion is None else assertion
    is_file = isinstance(value, str | os.PathLike)
    source = partial(read_text, Path(value)) if is_file else value
    found = Credential(source, assertion is not None, is_file, is_callable=not is_file)
    if not callable(source):
        kind = type(value).__name__
        raise TypeError(f"The {found.name} must be a file or a callable, not {kind}.")
    return found


def _is_jwt(value: object) -> bool:
    return isinstance(value, str) and value.count(".") > 1 and "/" not in value
