"""Structured logs: one JSON object a line on stderr, with client, address and path of a request."""

import contextvars
import json
import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from datetime import UTC, datetime
from random import Random
from typing import Any
from urllib.parse import unquote

request_id: contextvars.ContextVar[str | None] = contextvars.ContextVar("request_id", default=None)
# The ASGI scope of the request, from which every line about it takes address, method and path.
request_scope: contextvars.ContextVar[MutableMapping[str, Any] | None] = contextvars.ContextVar(
    "request_scope", default=None
)
_CLIENT = "issuer.client"
ROUTE = "issuer.route"
TRACE = "issuer.trace"
# Links of invitations, password resets and new addresses are credentials; 51 characters are what
# other secrets end with.
_SECRET = re.compile(
    r"(?<=invitation/).+|(?<=invitation)[^/].*|(?<=password-reset/).+|(?<=password-reset)[^/].*"
    r"|(?<=account/email/).+|[0-9a-z]{51,}",
    re.DOTALL | re.IGNORECASE,
)
_MAX_PATH = 256
_MAX_DECODED = 512
_MAX_ADDRESS = 64
_FIRST_ERROR = 400


class EventLogger(logging.LoggerAdapter[logging.Logger]):
    """Logs events with members: `log.info("listening", url=url)`."""

    def process(
        self, msg: object, kwargs: MutableMapping[str, Any]
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        exc_info = kwargs.pop("exc_info", None)
        return {**kwargs, "event": msg}, {"exc_info": exc_info}


def get_logger(name: str) -> EventLogger:
    return EventLogger(logging.getLogger(name), {})


log = get_logger(__name__)


def note_client(client_id: str | None) -> None:
    """Add the client, which must not be a secret, to later lines about the request."""
    if client_id and (scope := request_scope.get()) is not None:
        scope[_CLIENT] = client_id


def note_route(template: str) -> None:
    """Keep the template of the path of the request, such as `/admin/v1/roles/{name}`."""
    if template and (scope := request_scope.get()) is not None:
        scope[ROUTE] = template


def route_of(scope: Mapping[str, Any]) -> str:
    """The template of the path; empty if no route matched."""
    route: str = scope.get(ROUTE, "")
    return route


def client_of(scope: Mapping[str, Any]) -> str | None:
    """The client that `note_client` was told."""
    return scope.get(_CLIENT)


def address_of(scope: Mapping[str, Any]) -> str | None:
    """The address of the caller. Behind a proxy, a caller can choose this text: it is bounded."""
    address = scope.get("client")
    return address[0][:_MAX_ADDRESS] if address else None


def path_of(scope: Mapping[str, Any]) -> str:
    """The path without secrets, and without the query, which may hold anything.

    A caller may write the path in any case, encoded any number of times: a link that was damaged on
    its way still has its secret.
    """
    path: str = scope["path"][:_MAX_DECODED]
    decoded = path
    while (once := unquote(decoded)) != decoded:
        decoded = once
    without, cut = _SECRET.subn("***", decoded)
    return (without if cut else path)[:_MAX_PATH]


class RequestLog:
    """Logs a line for each request with an error, and for a `share` of the others."""

    def __init__(self, share: float, random: Random) -> None:
        self._share = share
        self._random = random

    def __call__(self, _method: str, route: str, status: int | None, seconds: float) -> None:
        is_error = status is None or status >= _FIRST_ERROR
        if is_error or self._random.random() < self._share:
            # `_add_request` adds client, address, method and path.
            log.info("request", route=route, status=status, milliseconds=round(seconds * 1000, 1))


def configure(level: str) -> None:
    """Log everything, also of the libraries, in one format."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    # At debug level Authlib logs tokens and user names, and httpx whole URLs; Alembic logs a line
    # at every check of the schema.
    for name in ("authlib", "httpx", "httpcore", "alembic"):
        logging.getLogger(name).setLevel(logging.WARNING)


class JsonLines(logging.Formatter):
    """Events of ours with their members, and messages of libraries."""

    def format(self, record: logging.LogRecord) -> str:
        event: object = record.msg
        line = {**event} if isinstance(event, dict) else {"event": record.getMessage()}
        _add_request(line)
        line["level"] = record.levelname.lower()
        line["logger"] = record.name
        logged_at = datetime.fromtimestamp(record.created, UTC)
        line["timestamp"] = logged_at.isoformat().replace("+00:00", "Z")
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=repr)


def _add_request(line: dict[str, Any]) -> None:
    if (current := request_id.get()) is not None:
        line.setdefault("request_id", current)
    if (scope := request_scope.get()) is not None:
        if client := client_of(scope):
            line.setdefault("client", client)
        if address := address_of(scope):
            line.setdefault("address", address)
        line.setdefault("method", scope["method"])
        line.setdefault("path", path_of(scope))
        if (trace_id := scope.get(TRACE)) is not None:
            line.setdefault("trace_id", trace_id)
