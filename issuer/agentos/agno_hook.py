"""Lets `jwks_file` of agno's validators name a `Verifier`. Hooks one method.

agno passes the value of `jwks_file` to all four places where it verifies tokens: REST, both
kinds of WebSocket authentication, and `/mcp`. The path of a file keeps its meaning.
"""

import inspect
import logging
import threading
from collections.abc import Callable
from functools import wraps
from importlib.metadata import version
from typing import Any, Protocol

from issuer.agentos.errors import InvalidConfiguration

log = logging.getLogger(__name__)

_METHOD = "_load_jwks_file"
_CALLED_WITH = ["self", "file_path"]
_HOOKED = "agentos_issuer_hook"


class Host(Protocol):
    """Takes over the validators that are built with its `jwks_file`."""

    def answers_to(self, value: str) -> bool:
        """Whether `value`, given as the path of a file, names this host."""

    def bind(self, validator: Any) -> None:
        """Verify the validator's tokens from now on."""


_hosts: dict[str, Host] = {}
_installing = threading.Lock()


def register(name: str, host: Host) -> str:
    """Register `host` as `name`, or `name~2` and so on; returns the value to use as `jwks_file`."""
    with _installing:
        number, value = 1, name
        while value in _hosts:
            number += 1
            value = f"{name}~{number}"
        _hosts[value] = host
        return value


def install() -> None:
    """Hook agno's method, once. `InvalidConfiguration` if this agno lacks it."""
    from agno.os.middleware.jwt import JWTValidator  # noqa: PLC0415 - agno only when asked for

    with _installing:
        method = getattr(JWTValidator, _METHOD, None)
        if method is None or list(inspect.signature(method).parameters) != _CALLED_WITH:
            raise InvalidConfiguration(_changed())
        if not hasattr(method, _HOOKED):
            setattr(JWTValidator, _METHOD, _hooked(method))


def require_effect(jwks_file: str, is_bound: Callable[[Any], bool]) -> None:
    """`InvalidConfiguration` unless a validator with that `jwks_file` is bound to its host."""
    from agno.os.middleware.jwt import JWTValidator  # noqa: PLC0415

    try:
        probe = JWTValidator(jwks_file=jwks_file)
    except InvalidConfiguration:
        raise
    except Exception as error:
        raise InvalidConfiguration(_changed()) from error
    if not is_bound(probe):
        raise InvalidConfiguration(_changed())


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
    matching = [host for host in _hosts.values() if host.answers_to(value)]
    if len(matching) == 1:
        return matching[0]
    raise InvalidConfiguration(
        f"Cannot use the key set {value}: "
        + ("several Verifiers match it; give each AgentOS its own verifier.jwks_file." if matching
           else "create a Verifier first, with the issuer and the audience to require.")
    )  # fmt: skip


def _changed() -> str:
    return (
        f"agno {version('agno')} verifies tokens in a way that this adapter does not support:"
        " update agentos-issuer, or install the previous agno."
    )


_LOGGER = "fastmcp.server.server"
_FAILED = "Error calling tool"
_REFUSED = "Insufficient permissions"


def shorten_refusals() -> None:
    """Log such a call here, in one line. Other failures keep their traceback."""
    logging.getLogger(_LOGGER).addFilter(_is_no_refusal)  # which adds it once


def _is_no_refusal(record: logging.LogRecord) -> bool:
    error = record.exc_info[1] if record.exc_info else None
    if type(error) is not Exception or not str(error).startswith(_REFUSED):
        return True
    log.warning("%s: %s", record.getMessage().replace(_FAILED, "Refused the MCP tool"), error)
    return False
