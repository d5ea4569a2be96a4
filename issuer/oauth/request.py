"""Reading a request to a protocol endpoint: a bounded form, each parameter at most once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import parse_qsl

from authlib.oauth2.rfc6749 import OAuth2Request
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive

from issuer.audit import Actor
from issuer.directory import ClientRecord, SecretRecord
from issuer.http import RawHeaders, caller, values_of
from issuer.network import network_of
from issuer.oauth.errors import OAuthError
from issuer.tokens import AccessToken, Authorization
from issuer.vocabulary import ErrorCode

MOST_BYTES = 16 * 1024
MOST_PARAMETERS = 100
MOST_SCOPES_ASKED = 500
_FORM = "application/x-www-form-urlencoded"
_LONGEST_CONTENT_TYPE = 100
# Authlib refuses a plain http URL; TLS ends at the proxy, and `Settings` has looked at ours.
_SECURE_URL = "https://localhost/"


@dataclass(frozen=True, slots=True)
class ReceivedForm:
    """A request as it came: its form is bounded, and not yet parsed."""

    headers: RawHeaders = field(repr=False)
    body: bytes = field(repr=False)
    caller: Actor


@dataclass(frozen=True, slots=True)
class Granted:
    """What is found out about a token request: who sends it, and what its token may say."""

    client: ClientRecord
    secret: SecretRecord
    grant_type: str
    authorization: Authorization


class ProtocolRequest(OAuth2Request):  # type: ignore[misc]
    """A parsed request, as Authlib wants one, with what the steps after it have found out."""

    def __init__(self, received: ReceivedForm, parameters: Mapping[str, str]) -> None:
        super().__init__("POST", _SECURE_URL, headers=Headers(raw=received.headers))
        self.received = received
        self.parameters = parameters
        self.payload = BasicOAuth2Payload(parameters)
        self.may_query = False
        self.may_wait = True
        self.is_counted = False
        self.authorization: Authorization | None = None
        self.issued: AccessToken | None = None
        self.is_recorded = False
        self.nothing_done: str | None = None
        self.claimed_client_id: str | None = None
        self.named_subject: str | None = None
        self.authenticated: ClientRecord | None = None
        self.secret: SecretRecord | None = None

    def again(self) -> "ProtocolRequest":
        """The same request, about which nothing has been found out yet; it counts only once."""
        request = ProtocolRequest(self.received, self.parameters)
        request.is_counted = self.is_counted
        return request

    @property
    def caller(self) -> Actor:
        return self.received.caller

    @property
    def granted(self) -> Granted:
        """What was found out about the request, once a token is issued for it."""
        assert self.authenticated is not None
        assert self.secret is not None
        assert self.authorization is not None
        grant_type = self.payload.grant_type
        return Granted(self.authenticated, self.secret, grant_type, self.authorization)

    @property
    def network(self) -> str:
        """Where the request comes from, as limits count it."""
        return network_of(self.caller.address)

    @property
    def form(self) -> Mapping[str, str]:
        return self.parameters


async def receive_form(request: Request) -> ReceivedForm:
    """The form as it is sent; `OAuthError` for what is no form or is too large.

    `ClientDisconnect` if its sender goes away before the end.
    """
    headers: RawHeaders = request.scope["headers"]
    _require_form(values_of(headers, b"content-type"))
    if request.scope["query_string"]:
        raise _invalid("Send parameters in the body, not in the URL.")
    _require_size(values_of(headers, b"content-length"))
    return ReceivedForm(headers, await _read_body(request.receive), caller(request))


def parse_form(form: ReceivedForm) -> ProtocolRequest:
    """The request in the form; `OAuthError` for anything RFC 6749 §3.2 does not allow.

    A parameter without a value counts as left out.
    """
    return ProtocolRequest(form, _parameters(form.body))


def required(request: ProtocolRequest, name: str) -> str:
    """The parameter of that name; `invalid_request` if it was left out."""
    if name not in request.parameters:
        raise _invalid(f"Missing '{name}' in request.")
    return request.parameters[name]


def scopes_asked(request: ProtocolRequest) -> list[str] | None:
    """RFC 6749 §3.3; None if the request leaves it to us. No scope is asked twice."""
    if (text := request.payload.scope) is None:
        return None
    scopes = list(dict.fromkeys(text.split(" ")))
    if len(scopes) > MOST_SCOPES_ASKED:
        raise OAuthError(
            ErrorCode.INVALID_SCOPE, f"At most {MOST_SCOPES_ASKED} scopes may be asked for."
        )
    return scopes


def _require_form(content_types: Sequence[bytes]) -> None:
    only = content_types[0] if len(content_types) == 1 else b""
    if len(only) > _LONGEST_CONTENT_TYPE or not _is_form(only):
        raise _invalid(f"The content type must be {_FORM}.")


@lru_cache(16)
def _is_form(content_type: bytes) -> bool:
    media_type, _, parameters = content_type.decode("latin-1").partition(";")
    charset = parameters.strip().lower().replace('"', "")
    return media_type.strip().lower() == _FORM and charset in {"", "charset=utf-8"}


def _require_size(content_lengths: Sequence[bytes]) -> None:
    """A body that is said to be too large is refused before it comes."""
    for declared in content_lengths:
        if declared.isdigit() and int(declared[:20]) > MOST_BYTES:
            raise _too_large()


async def _read_body(receive: Receive) -> bytes:
    body, is_more = bytearray(), True
    while is_more:  # not `request.stream()`, which takes several times as long
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        body += message.get("body", b"")
        if len(body) > MOST_BYTES:
            raise _too_large()
        is_more = message.get("more_body", False)
    return bytes(body)


def _parameters(body: bytes) -> dict[str, str]:
    try:
        pairs = parse_qsl(
            body.decode("utf-8"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=MOST_PARAMETERS,
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
        ErrorCode.INVALID_REQUEST, f"The body may have {MOST_BYTES} bytes.", status=413
    )


def _invalid(description: str) -> OAuthError:
    return OAuthError(ErrorCode.INVALID_REQUEST, description)
