"""Makes `jwks_file` of agno's validators mean: follow this issuer. One method is hooked.

agno carries the value of `jwks_file` to all four places where it verifies tokens: REST, both
ways to WebSockets, and `/mcp`. A file's path means what it always meant.
"""

import inspect
import logging
import threading
from collections.abc import Callable
from functools import wraps
from importlib.metadata import version
from typing import Any, Protocol

from issuer.agentos.errors import ConfigurationError

log = logging.getLogger(__name__)

_METHOD = "_load_jwks_file"
_CALLED_WITH = ["self", "file_path"]
_HOOKED = "agentos_issuer_hook"


class Host(Protocol):
    """Who takes over the validators that are built with its `jwks_file`."""

    def answers_to(self, value: str) -> bool:
        """Whether `value`, given for a file's path, means this guest."""

    def bind(self, validator: Any) -> None:
        """See to the validator's tokens."""


_hosts: dict[str, Host] = {}
_installing = threading.Lock()


def register(name: str, host: Host) -> str:
    """`guest` answers to a value like `name` from now on: the one that is returned."""
    with _installing:
        number, value = 1, name
        while value in _hosts:
            number += 1
            value = f"{name}~{number}"
        _hosts[value] = host
        return value


def install() -> None:
    """Hook agno's method, once. `ConfigurationError` if this agno has none such."""
    from agno.os.middleware.jwt import JWTValidator  # noqa: PLC0415 - agno only when asked for

    with _installing:
        method = getattr(JWTValidator, _METHOD, None)
        if method is None or list(inspect.signature(method).parameters) != _CALLED_WITH:
            raise ConfigurationError(_changed())
        if not hasattr(method, _HOOKED):
            setattr(JWTValidator, _METHOD, _hooked(method))


def require_effect(jwks_file: str, is_bound: Callable[[Any], bool]) -> None:
    """`ConfigurationError` unless a validator with that `jwks_file` is bound to its guest."""
    from agno.os.middleware.jwt import JWTValidator  # noqa: PLC0415

    try:
        probe = JWTValidator(jwks_file=jwks_file)
    except ConfigurationError:
        raise
    except Exception as error:
        raise ConfigurationError(_changed()) from error
    if not is_bound(probe):
        raise ConfigurationError(_changed())


def _hooked(stock: Callable[[Any, str], None]) -> Callable[[Any, str], None]:
    @wraps(stock)
    def load(self: Any, file_path: str) -> None:
        host = _host_for(file_path)
        if host is None:
            stock(self, file_path)
        else:
            host.bind(self)

    setattr(load, _HOOKED, True)
    return load


def _host_for(value: Any) -> Host | None:
    value = str(value)
    if (host := _hosts.get(value)) is not None:
        return host
    if "://" not in value:
        return None
    meant = [host for host in _hosts.values() if host.answers_to(value)]
    if len(meant) == 1:
        return meant[0]
    raise ConfigurationError(
        f"The key set {value} cannot be followed: "
        + ("several Verifiers mean it; give each AgentOS the jwks_file of its own." if meant else
           "make a Verifier first, which knows the issuer and the audience to insist on.")
    )  # fmt: skip


def _changed() -> str:
    return (
        f"agno {version('agno')} verifies tokens in another way than this adapter knows: update"
        " agentos-issuer, or install the agno that worked before."
    )
