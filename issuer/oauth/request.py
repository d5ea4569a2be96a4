"""Requests to the protocol endpoints, stage by stage."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from starlette.requests import Request

from issuer.audit import Actor
from issuer.clients.authentication import VerifiedAssertion
from issuer.directory import ClientRecord, SecretRecord
from issuer.fields.networks import network_of
from issuer.http.requests import InvalidForm, RawHeaders, caller, parameters, receive_body
from issuer.oauth.errors import OAuthError
from issuer.vocabulary import ErrorCode

MAX_REQUESTED_SCOPES = 500


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


@dataclass(slots=True)
class PasswordAttempt:
    """One check of a password: `is_right` once it is verified, whatever is refused after that.

    `may_wait` is whether it can be retried after other sign-in attempts in progress.
    """

    may_wait: bool = True
    is_right: bool = False


@dataclass(frozen=True, slots=True)
class AuthenticatedRequest:
    """A request of an authenticated client, by a `secret` or by an `assertion`, or by neither.

    `attempt` where it presents the password of a user.
    """

    parsed: ParsedRequest
    client: ClientRecord
    secret: SecretRecord | None
    assertion: VerifiedAssertion | None = None
    attempt: PasswordAttempt | None = None

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
    if request.scope["query_string"]:
        raise _invalid("Send parameters in the body, not in the URL.")
    try:
        body = await receive_body(request)
    except InvalidForm as error:
        raise _invalid_form(error) from None
    return ReceivedForm(request.scope["headers"], body, caller(request))


def parse_form(form: ReceivedForm) -> ParsedRequest:
    """Parse the form; `OAuthError` for anything RFC 6749 §3.2 does not allow.

    A parameter without a value is treated as omitted.
    """
    try:
        return ParsedRequest(form, parameters(form.body))
    except InvalidForm as error:
        raise _invalid_form(error) from None


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


def _invalid(description: str) -> OAuthError:
    return OAuthError(ErrorCode.INVALID_REQUEST, description)


def _invalid_form(error: InvalidForm) -> OAuthError:
    return OAuthError(ErrorCode.INVALID_REQUEST, str(error), status=error.status)
