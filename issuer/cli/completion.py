"""Shell completion of names, read from the database within two seconds or not at all."""

import io
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout, suppress
from threading import Thread
from typing import Any, TypeAlias

from issuer.audiences import AUDIENCE
from issuer.cli.opening import reading
from issuer.clients import CLIENT
from issuer.composition import UnitOfWork
from issuer.resources import ResourceType
from issuer.roles import ROLE
from issuer.trusted_issuers import TRUSTED_ISSUER

Complete: TypeAlias = Callable[[str], list[str]]

_MAX_NAMES = 100
_SECONDS = 2.0


def audiences(incomplete: str) -> list[str]:
    """Ids of audiences."""
    return _keys(AUDIENCE, incomplete)


def roles(incomplete: str) -> list[str]:
    """Names of roles."""
    return _keys(ROLE, incomplete)


def clients(incomplete: str) -> list[str]:
    """Ids of clients."""
    return _keys(CLIENT, incomplete)


def trusted_issuers(incomplete: str) -> list[str]:
    """Ids of trusted issuers."""
    return _keys(TRUSTED_ISSUER, incomplete)


def users(incomplete: str) -> list[str]:
    """Names of users."""
    return _completed(incomplete, lambda work: work.users.usernames(incomplete, _MAX_NAMES))


def clients_and_users(incomplete: str) -> list[str]:
    """Ids of clients, then names of users."""
    return [*clients(incomplete), *users(incomplete)]


COMPLETIONS: dict[str, Complete] = {"audience": audiences, "role": roles, "client": clients}


def _keys(resource_type: ResourceType[Any, Any], first: str) -> list[str]:
    def read(work: UnitOfWork) -> list[str]:
        resources = work.collection(resource_type)
        following = map(resource_type.key_of, resources.page(first or None, _MAX_NAMES))
        return [*([first] if resources.exists(first) else []), *following]

    return _completed(first, read)


def _completed(incomplete: str, names: Callable[[UnitOfWork], list[str]]) -> list[str]:
    """The names that begin with `incomplete`; none, without output, if reading fails."""
    results: list[str] = []

    def read() -> None:
        with suppress(Exception), reading() as work:
            results.extend(names(work))

    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        thread = Thread(target=read, daemon=True)
        thread.start()
        thread.join(_SECONDS)
    return [name for name in results if name.startswith(incomplete)]
