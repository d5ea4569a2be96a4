"""Reading forms: bounded, in UTF-8, each parameter at most once."""

from collections.abc import Sequence
from functools import lru_cache
from urllib.parse import parse_qsl

from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive

from issuer.errors import IssuerError
from issuer.http.requests import RawHeaders, values_of

MAX_BYTES = 16 * 1024
MAX_PARAMETERS = 100
_FORM = "application/x-www-form-urlencoded"
_JSON = "application/json"
_MAX_CONTENT_TYPE_BYTES = 100
_TOO_LARGE = 413


class InvalidForm(IssuerError):
    """Not a form, too large, or ambiguous. `status` is that of HTTP."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


async def receive_body(request: Request, max_bytes: int = MAX_BYTES) -> bytes:
    """Receive the body of a form; `InvalidForm` if it is not a form or too large.

    `ClientDisconnect` if the client disconnects before the end.
    """
    return await _receive(request, _FORM, max_bytes)


async def receive_json(request: Request) -> bytes:
    """The body of a request, which is JSON."""
    return await _receive(request, _JSON, MAX_BYTES)


async def _receive(request: Request, media_type: str, max_bytes: int) -> bytes:
    headers: RawHeaders = request.scope["headers"]
    _require_type(values_of(headers, b"content-type"), media_type)
    _require_size(values_of(headers, b"content-length"), max_bytes)
    return await _read_body(request.receive, max_bytes)


def is_form(request: Request) -> bool:
    """Whether the content type is that of a form."""
    content_types = values_of(request.scope["headers"], b"content-type")
    return len(content_types) == 1 and _is_of_type(
        content_types[0][:_MAX_CONTENT_TYPE_BYTES], _FORM
    )


def parameters(text: bytes) -> dict[str, str]:
    """The parameters of a form (RFC 6749 §3.2); `InvalidForm` also if one is repeated.

    A parameter without a value is treated as omitted.
    """
    found = pairs(text)
    names = [name for name, _ in found]
    if len(set(names)) != len(names):
        raise InvalidForm("A parameter is repeated.")
    return {name: value for name, value in found if value}


def pairs(text: bytes) -> list[tuple[str, str]]:
    """The names and values of a form or a query, in order; `InvalidForm` if they are too many."""
    try:
        found = parse_qsl(
            text.decode("utf-8"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=MAX_PARAMETERS,
        )
    except ValueError:
        raise InvalidForm("The body is not a form in UTF-8, or has too many parameters.") from None
    if any("\0" in value for _, value in found):
        raise InvalidForm("A parameter holds a NUL character.")
    return found


def _require_type(content_types: Sequence[bytes], media_type: str) -> None:
    only = content_types[0] if len(content_types) == 1 else b""
    if len(only) > _MAX_CONTENT_TYPE_BYTES or not _is_of_type(only, media_type):
        raise InvalidForm(f"The content type must be {media_type}.")


@lru_cache(16)
def _is_of_type(content_type: bytes, expected: str) -> bool:
    media_type, _, parameters = content_type.decode("latin-1").partition(";")
    charset = parameters.strip().lower().replace('"', "")
    return media_type.strip().lower() == expected and charset in {"", "charset=utf-8"}


def _require_size(content_lengths: Sequence[bytes], max_bytes: int) -> None:
    """Refuse a body whose declared length is too large, before receiving it."""
    for declared in content_lengths:
        if declared.isdigit() and int(declared[:20]) > max_bytes:
            raise _too_large(max_bytes)


async def _read_body(receive: Receive, max_bytes: int) -> bytes:
    body, is_more = bytearray(), True
    while is_more:  # not `request.stream()`, which takes several times as long
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body += message.get("body", b"")
        if len(body) > max_bytes:
            raise _too_large(max_bytes)
        is_more = message.get("more_body", False)
    return bytes(body)


def _too_large(max_bytes: int) -> InvalidForm:
    return InvalidForm(f"The body may have {max_bytes} bytes.", _TOO_LARGE)
