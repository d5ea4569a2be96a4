"""Tokens that later commands of the same user use again: in a folder that only this user enters."""

import base64
import fcntl
import hashlib
import json
import logging
import os
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from issuer.errors import IssuerError
from issuer.files import is_locked, read_trusted, wait_until, write_private

_USED_FOR = 0.75  # of the lifetime
_PATIENCE_S = 60.0  # a token request takes half of it at most


def token_from_cache(
    issuer: str,
    client_id: str,
    audience: str | None,
    scopes: Sequence[str] | None,
    secret: Callable[[], str],
    patience: float = _PATIENCE_S,
    refused: str | None = None,
) -> str:
    """The cached token for this request, or a new one while a quarter of its life is left.

    `secret` is called only if a new token is needed. Concurrent commands make one request, and wait
    for it for `patience` seconds. The server has `refused` that cached token.
    """
    folder = private_folder("XDG_CACHE_HOME", ".cache")
    request = json.dumps([issuer, client_id, audience, scopes])
    file = folder / f"{hashlib.sha256(request.encode()).hexdigest()}.token"
    if (token := _cached(file)) is None or token == refused:
        from issuer.cli.api_client import cure_of  # noqa: PLC0415 - with the client
        from issuer.client import TokenClient, TokenError, TokenRefused  # noqa: PLC0415 - 11 MB

        # Its errors are raised: a warning of the library beside them would say the same.
        logging.getLogger("issuer.client").addHandler(logging.NullHandler())

        client_secret = secret()
        with locked(folder, patience, "end it, or leave --cache out"):
            if (token := _cached(file)) is None or token == refused:
                try:
                    token = TokenClient(
                        issuer,
                        client_id,
                        client_secret=client_secret,
                        audience=audience,
                        scope=scopes,
                    ).token()
                except TokenRefused as error:
                    form = {"audience": audience, "grant_type": "client_credentials"}
                    raise IssuerError(f"{error}.{cure_of(error.error, client_id, form)}") from None
                except (TokenError, ValueError) as error:
                    raise IssuerError(str(error)) from None
                write_private(file, token)
    return token


def answer_with(token: str) -> dict[str, Any]:
    """The members of a token response (RFC 6749 §5.1), for a token that was issued earlier."""
    claims = unverified(token)["claims"]
    expires_in = max(0, int(claims["exp"] - time.time()))
    answer = {"access_token": token, "token_type": "Bearer", "expires_in": expires_in}
    return {**answer, "scope": " ".join(claims.get("scopes", ()))}


def unverified(access_token: str) -> dict[str, Any]:
    """Header and claims, not verified: for display, and for the time at which it expires."""
    header, claims = (
        json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
        for part in access_token.split(".")[:2]
    )
    return {"header": header, "claims": claims}


def _cached(file: Path) -> str | None:
    """None also for a token that expires soon, and for a file with anything else."""
    try:
        token = read_trusted(file, private=True).decode("ascii")
    except (FileNotFoundError, ValueError):
        return None
    return token if is_fresh(token) else None


def is_fresh(token: str) -> bool:
    """Whether a quarter of its life is left; False for a text that is not a token."""
    try:
        claims = unverified(token)["claims"]
        issued, expires = float(claims["iat"]), float(claims["exp"])
    except (ValueError, KeyError, TypeError):
        return False
    return time.time() < min(issued + _USED_FOR * (expires - issued), expires)


def folder_of_user(variable: str, default: str) -> Path:
    """Below the directory that `variable` of the environment names, or `default` at home."""
    base = Path(os.environ.get(variable, ""))
    return (base if base.is_absolute() else Path.home() / default) / "agentos-issuer"


def private_folder(variable: str, default: str) -> Path:
    """`folder_of_user`, created if need be; `IssuerError` if others may enter it."""
    folder = folder_of_user(variable, default)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = folder.stat()
    if found.st_uid != os.geteuid():
        raise IssuerError(f"{folder} belongs to another user: set {variable} to a folder of yours.")
    if stat.S_IMODE(found.st_mode) & 0o077:
        raise IssuerError(f"{folder} is open to others: chmod 700 it.")
    return folder


@contextmanager
def locked(folder: Path, patience: float = _PATIENCE_S, remedy: str = "end it") -> Iterator[None]:
    """Held against every other command, for which it waits `patience` seconds."""
    taken = IssuerError(f"Another command has held {folder} for {patience:.0f} s: {remedy}.")
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        wait_until(lambda: is_locked(descriptor, fcntl.LOCK_EX), patience, taken)
        yield
    finally:
        os.close(descriptor)
