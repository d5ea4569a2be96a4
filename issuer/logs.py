"""Structured logs, one JSON object a line on stderr, each with what is known of its request."""

import contextvars
import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

request_id: contextvars.ContextVar[str | None] = contextvars.ContextVar("request_id", default=None)
# The ASGI scope of the request: who sends it and what for, which every line about it says.
request_scope: contextvars.ContextVar[MutableMapping[str, Any] | None] = contextvars.ContextVar(
    "request_scope", default=None
)
_CLIENT = "issuer.client"
_MAX_PATH = 256
_MAX_ADDRESS = 64


def note_client(client_id: str | None) -> None:
    """Later lines about the request name the client, which must not be a secret."""
    if client_id and (scope := request_scope.get()) is not None:
        scope[_CLIENT] = client_id


def configure(level: str) -> None:
    """Everything that is logged, ours and the libraries', in one form."""
    structlog.configure(
        processors=_PROCESSORS,
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[_with_request, *_SHARED],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    # At debug level Authlib logs tokens and user names, and httpx whole URLs; Alembic says at
    # every look at the schema that it looks.
    for name in ("authlib", "httpx", "httpcore", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)


def _with_request(
    _logger: object, _method: str, event: structlog.typing.EventDict
) -> structlog.typing.EventDict:
    if (current := request_id.get()) is not None:
        event.setdefault("request_id", current)
    if (scope := request_scope.get()) is not None:
        client, address = scope.get(_CLIENT), scope.get("client")
        if client:
            event.setdefault("client", client)
        if address:
            event.setdefault("address", address[0][:_MAX_ADDRESS])
        event.setdefault("method", scope["method"])
        # Without the query, which may hold anything.
        event.setdefault("path", scope["path"][:_MAX_PATH])
    return event


_SHARED: list[structlog.typing.Processor] = [
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]

# One list for good: a logger keeps the one it began with.
_PROCESSORS: list[structlog.typing.Processor] = [
    _with_request,
    *_SHARED,
    structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
]
