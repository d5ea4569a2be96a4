"""How a client authenticates: by a secret, or by an assertion (RFC 7521, RFC 7523)."""

import base64
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from issuer.client.errors import TokenUnavailable
from issuer.client.private_keys import PrivateKey, read_text

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
