"""Reading requests to the protocol endpoints: a bounded form, each parameter at most once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import parse_qsl

from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive

from issuer.audit import Actor
from issuer.directory import ClientRecord, SecretRecord
from issuer.http import RawHeaders, caller, values_of
from issuer.network import network_of
from issuer.oauth.errors import OAuthError
from issuer.vocabulary import ErrorCode

MAX_BYTES = 16 * 1024
MAX_PARAMETERS = 100
MAX_REQUESTED_SCOPES = 500
_FORM = "application/x-www-form-urlencoded"
_MAX_CONTENT_TYPE_BYTES = 100


@dataclass(frozen=True, slots=True)
class ReceivedForm:
    """A request as received: its body is bounded, and not yet parsed."""

    headers: RawHeaders = field(repr=False)
    body: bytes = field(repr=False)
    actor: Actor

    @property
    def network(self) -> str:
        """The network of the caller's address, by which failures are counted."""
        return network_of(self.actor.address)


@dataclass(frozen=True, slots=True)
class ParsedRequest:
    """A form that RFC 6749 §3.2 allows: each parameter once, and with a value."""

    form: ReceivedForm
    parameters: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class AuthenticatedRequest:
    """A request of an authenticated client.

    `may_wait` is whether it can be retried after other sign-in attempts in progress.
    """

    parsed: ParsedRequest
    client: ClientRecord
    secret: SecretRecord
    may_wait: bool = True

    @property
    def parameters(self) -> Mapping[str, str]:
        return self.parsed.parameters

    @property
    def actor(self) -> Actor:
        return self.parsed.form.actor.known_as(self.client.client_id)


async def receive_form(request: Request) -> ReceivedForm:
    """Receive the form; `OAuthError` if it is not a form or too large.

    `ClientDisconnect` if the client disconnects before the end.
    """
    headers: RawHeaders = request.scope["headers"]
    _require_form(values_of(headers, b"content-type"))
    if request.scope["query_string"]:
        raise _invalid("Send parameters in the body, not in the URL.")
    _require_size(values_of(headers, b"content-length"))
    return ReceivedForm(headers, await _read_body(request.receive), caller(request))


def parse_form(form: ReceivedForm) -> ParsedRequest:
    """Parse the form; `OAuthError` for anything RFC 6749 §3.2 does not allow.

    A parameter without a value is treated as omitted.
    """
    return ParsedRequest(form, _parameters(form.body))


def required(request: AuthenticatedRequest, name: str) -> str:
    """The parameter of that name; `invalid_request` if it is missing."""
    if name not in request.parameters:
        raise _invalid(f"Missing '{name}' in request.")
    return request.parameters[name]


def requested_scopes(request: AuthenticatedRequest) -> list[str] | None:
    """The scopes of the request, each once (RFC 6749 §3.3); None if it names none."""
    if (text := request.parameters.get("scope")) is None:
        return None
    scopes = list(dict.fromkeys(text.split(" ")))
    if len(scopes) > MAX_REQUESTED_SCOPES:
        raise OAuthError(
            ErrorCode.INVALID_SCOPE, f"At most {MAX_REQUESTED_SCOPES} scopes may be asked for."
        )
    return scopes


def _require_form(content_types: Sequence[bytes]) -> None:
    only = content_types[0] if len(content_types) == 1 else b""
    if len(only) > _MAX_CONTENT_TYPE_BYTES or not _is_form(only):
        raise _invalid(f"The content type must be {_FORM}.")


@lru_cache(16)
def _is_form(content_type: bytes) -> bool:
    media_type, _, parameters = content_type.decode("latin-1").partition(";")
    charset = parameters.strip().lower().replace('"', "")
    return media_type.strip().lower() == _FORM and charset in {"", "charset=utf-8"}


def _require_size(content_lengths: Sequence[bytes]) -> None:
    """Refuse a body whose declared length is too large, before receiving it."""
    for declared in content_lengths:
        if declared.isdigit() and int(declared[:20]) > MAX_BYTES:
            raise _too_large()


async def _read_body(receive: Receive) -> bytes:
    body, is_more = bytearray(), True
    while is_more:  # not `request.stream()`, which takes several times as long
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body += message.get("body", b"")
        if len(body) > MAX_BYTES:
            raise _too_large()
        is_more = message.get("more_body", False)
    return bytes(body)


def _parameters(body: bytes) -> dict[str, str]:
    try:
        pairs = parse_qsl(
            body.decode("utf-8"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=MAX_PARAMETERS,
        )
    except ValueError:
        raise _invalid("The body is not a form in UTF-8, or has too many parameters.") from None
    names = [name for name, _ in pairs]
    if len(set(names)) != len(names):
        raise _invalid("A parameter is repeated.")
    if any("\0" in value for _, value in pairs):
        raise _invalid("A parameter holds a NUL character.")
    return {name: value for name, value in pairs if value}


def _too_large() -> OAuthError:
    return OAuthError(
        ErrorCode.INVALID_REQUEST, f"The body may have {MAX_BYTES} bytes.", status=413
    )


def _invalid(description: str) -> OAuthError:
    return OAuthError(ErrorCode.INVALID_REQUEST, description)
