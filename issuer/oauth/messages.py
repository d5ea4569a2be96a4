"""Requests to the protocol endpoints, stage by stage; their responses and errors (RFC 6749 §5)."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache

from pydantic_core import to_json
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from issuer.audit import Actor
from issuer.clients.authentication import PREFIX as CLIENT_SECRET
from issuer.clients.authentication import VerifiedAssertion
from issuer.directory import AudienceRecord, ClientRecord, SecretRecord, UserRecord
from issuer.dpop import DPoPError, Proof, challenge
from issuer.errors import InvalidCredentials, TooManyRequests, Unavailable
from issuer.fields.networks import network_of
from issuer.fields.urls import is_client_id
from issuer.http.middleware import FOR_ANY_ORIGIN
from issuer.http.requests import InvalidForm, RawHeaders, parameters, receive_body, values_of
from issuer.refresh_tokens import PREFIX as REFRESH_TOKEN
from issuer.refresh_tokens.family import FoundToken
from issuer.telemetry import metrics as labels
from issuer.token_exchange import UserToken
from issuer.tokens.issuing import AccessToken
from issuer.values import value
from issuer.vocabulary import DPOP, ErrorCode, TokenType

MAX_REQUESTED_SCOPES = 500
TOO_MANY_REQUESTS = 429  # RFC 6585 §4
NO_CONTENT = 204  # which has no length either (RFC 9110 §8.6)
_STATUS = {
    ErrorCode.INVALID_CLIENT: 401,
    ErrorCode.SERVER_ERROR: 500,
    ErrorCode.TEMPORARILY_UNAVAILABLE: 503,
}
_MAX_QUOTE = 100

NO_STORE = [("Content-Type", "application/json"), ("Cache-Control", "no-store")]
NOT_STORED = [("Cache-Control", "no-store")]  # of an answer without a body
JSON_HEADERS = [*NO_STORE, ("Pragma", "no-cache")]  # RFC 6749 §5.1


@value
class ReceivedForm:
    """A request as received: its body is bounded, and not yet parsed.

    `proofs` are its `DPoP` headers (RFC 9449 §5).
    """

    headers: RawHeaders = field(repr=False)
    body: bytes = field(repr=False)
    actor: Actor
    proofs: list[bytes] = field(default_factory=list, repr=False)

    @property
    def network(self) -> str:
        """The network of the caller's address, by which failures are counted."""
        return network_of(self.actor.address)


@value
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
class Vouched:
    """A user for whom a trusted issuer vouches, at one audience.

    With at most these `scopes`, if it names some. `details` are for the audit log.
    """

    user: UserRecord
    audience: AudienceRecord
    scopes: frozenset[str] | None
    details: Mapping[str, object]


@value
class AuthenticatedRequest:
    """A request of a client, by a `secret`, an `assertion` or neither; an `attempt` of a user.

    `found` is its refresh token and `subject` its subject token, if that was looked up already,
    `vouched` what its ID-JAG says. `is_granted`: the assertion is its authorization grant. `proof`
    shows that it has a key. `is_retry`: this request has used what counts once already.
    """

    parsed: ParsedRequest
    client: ClientRecord
    secret: SecretRecord | None
    assertion: VerifiedAssertion | None = None
    attempt: PasswordAttempt | None = None
    found: FoundToken | None = None
    subject: UserToken | None = None
    vouched: Vouched | None = None
    is_granted: bool = False
    proof: Proof | None = None
    is_retry: bool = False

    @property
    def parameters(self) -> Mapping[str, str]:
        return self.parsed.parameters

    @property
    def jkt(self) -> str | None:
        """The thumbprint of the key that it proves to have; None without a proof."""
        return self.proof.jkt if self.proof else None

    @property
    def actor(self) -> Actor:
        return self.parsed.form.actor.known_as(self.client.client_id)


async def receive_form(request: Request, actor: Actor) -> ReceivedForm:
    """The form; `OAuthError` if it is none or too large, `ClientDisconnect` without its end."""
    if request.scope["query_string"]:
        raise invalid_request("Send parameters in the body, not in the URL.")
    try:
        headers: RawHeaders = request.scope["headers"]
        proofs = values_of(headers, b"dpop")
        return ReceivedForm(headers, await receive_body(request), actor, proofs)
    except InvalidForm as error:
        raise invalid_request(str(error), error.status) from None


def parse_form(form: ReceivedForm) -> ParsedRequest:
    """The parameters that have values; `OAuthError` for what RFC 6749 §3.2 does not allow."""
    try:
        return ParsedRequest(form, parameters(form.body))
    except InvalidForm as error:
        raise invalid_request(str(error), error.status) from None


def require(request: AuthenticatedRequest, name: str) -> str:
    """The parameter of that name; `invalid_request` if it is missing."""
    if name not in request.parameters:
        raise invalid_request(f"Missing '{name}' in request.")
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


class OAuthError(Exception):
    """An error response (RFC 6749 §5.2): `description` for the caller.

    `reason` and `target` are for the audit log and never sent. `target` is the id that the request
    names, if it is a possible id. One that `hides_cause` has the same duration for every cause.
    """

    def __init__(
        self,
        code: ErrorCode,
        description: str,
        *,
        reason: str | None = None,
        target: str | None = None,
        status: int | None = None,
        retry_after: int | None = None,
        hides_cause: bool = False,
    ) -> None:
        super().__init__(code, description)
        self.error = code.value
        self.description = description
        self.status = status or _STATUS.get(code, 400)
        self.reason = reason or description
        self.target = named_principal(target)
        self.retry_after = retry_after
        self.hides_cause = hides_cause

    @property
    def headers(self) -> list[tuple[str, str]]:
        """RFC 6749 §5.1 for every response, §5.2 for a failed client authentication."""
        headers = [*JSON_HEADERS]
        if self.error == ErrorCode.INVALID_CLIENT:
            headers.append(("WWW-Authenticate", 'Basic realm="issuer"'))
        if self.retry_after is not None:
            headers.append(("Retry-After", str(self.retry_after)))
        return headers

    @property
    def is_pending(self) -> bool:
        """For a device whose user has not answered: no refusal (RFC 8628 §3.5)."""
        return self.error == ErrorCode.AUTHORIZATION_PENDING

    @property
    def label(self) -> str:
        """What metrics call it."""
        return labels.TOO_MANY_REQUESTS if self.status == TOO_MANY_REQUESTS else self.error

    @property
    def body(self) -> dict[str, object]:
        described = {"error_description": self.description} if self.description else {}
        return {"error": self.error, **described}


class NothingDone(OAuthError):
    """Nothing was revoked: answered 200 all the same (RFC 7009 §2.2), but audited as refused."""

    def __init__(self, reason: str) -> None:
        super().__init__(ErrorCode.INVALID_REQUEST, reason, status=200)

    @property
    def body(self) -> dict[str, object]:
        return {}


class ProofRefused(OAuthError):
    """A DPoP proof is missing or wrong, at the token endpoint or, `at_resource`, elsewhere.

    RFC 9449 §5, §7.1, §8.
    """

    def __init__(self, error: DPoPError, *, at_resource: bool = False) -> None:
        status = 401 if at_resource else None
        super().__init__(ErrorCode.INVALID_DPOP_PROOF, str(error), status=status)
        self.error = error.error
        self._cause = error
        self._at_resource = at_resource

    @property
    def headers(self) -> list[tuple[str, str]]:
        headers = super().headers
        if self._at_resource:
            headers.append(("WWW-Authenticate", challenge(self._cause)))
        if self._cause.nonce is not None:
            headers.append(("DPoP-Nonce", self._cause.nonce))
        return headers


class BearerError(OAuthError):
    """An error for an access token (RFC 6750 §3.1); without `code` for a request without one."""

    def __init__(self, code: str, description: str, status: int = 401, scope: str = "") -> None:
        super().__init__(ErrorCode.INVALID_REQUEST, description, status=status)
        self.error = code
        self._scope = scope

    @property
    def headers(self) -> list[tuple[str, str]]:
        members = {"error": self.error, "error_description": self.description}
        members |= {"scope": self._scope} if self._scope else {}
        shown = members if self.error else {}
        challenge = ", ".join(['realm="issuer"', *(f'{k}="{v}"' for k, v in shown.items())])
        return [*NO_STORE, ("WWW-Authenticate", f"Bearer {challenge}")]

    @property
    def body(self) -> dict[str, object]:
        return super().body if self.error else {}


def invalid_request(
    description: str, status: int = 400, *, target: str | None = None
) -> OAuthError:
    """`invalid_request` (RFC 6749 §5.2)."""
    return OAuthError(ErrorCode.INVALID_REQUEST, description, status=status, target=target)


def invalid_client(reason: str, target: str | None = None) -> OAuthError:
    """One error for every wrong client credential (RFC 6749 §5.2)."""
    return OAuthError(
        ErrorCode.INVALID_CLIENT, "Client authentication failed.", reason=reason, target=target
    )


def invalid_grant(
    reason: str, target: str | None = None, description: str = "Wrong username or password."
) -> OAuthError:
    """One error for everything that is wrong with a credential (RFC 6749 §5.2)."""
    return OAuthError(ErrorCode.INVALID_GRANT, description, reason=reason, target=target)


@contextmanager
def as_invalid_grant(description: str = "Wrong username or password.") -> Iterator[None]:
    """`invalid_grant` in place of `InvalidCredentials`, the same for every cause."""
    try:
        yield
    except InvalidCredentials as error:
        raise invalid_grant(error.reason, error.subject, description) from None


def as_oauth_error(error: OAuthError | TooManyRequests | Unavailable) -> OAuthError:
    """`temporarily_unavailable` for an error of the domain: 429 beyond a rate limit, else 503."""
    if isinstance(error, OAuthError):
        return error
    is_limited = isinstance(error, TooManyRequests)
    return OAuthError(
        ErrorCode.TEMPORARILY_UNAVAILABLE,
        "Too many requests." if is_limited else "The server cannot answer now.",
        reason=str(error),
        status=TOO_MANY_REQUESTS if is_limited else None,
        retry_after=error.retry_after,
    )


def invalid_scope(description: str, scope: str) -> OAuthError:
    """`invalid_scope` naming the scope; the audit log names it only if it cannot be a secret."""
    named = f"{description}: {quote(scope)}"
    reason = description if may_be_secret(scope) else named
    return OAuthError(ErrorCode.INVALID_SCOPE, named, reason=reason)


def may_be_secret(text: str) -> bool:
    """Whether the text contains a secret of this issuer, sent in the wrong place."""
    return CLIENT_SECRET in text or REFRESH_TOKEN in text


def named_principal(text: str | None) -> str | None:
    """`text` if it is a possible id of a client or user and cannot be a secret."""
    return text if text and is_client_id(text) and not may_be_secret(text) else None


def quote(text: str, longest: int = _MAX_QUOTE) -> str:
    """Text from the caller, cut and limited to the characters that RFC 6749 §5.2 allows."""
    cut = text[:longest] + ("..." if len(text) > longest else "")
    return "".join(c if " " <= c <= "~" and c not in '"\\' else "?" for c in cut)


@value
class OAuthResponse:
    """Status, JSON body or none, and headers; `error` is set if it is an error response.

    Scripts of any origin may read it, unless not `is_for_scripts`.
    """

    status: int
    body: dict[str, object] | None = field(repr=False)
    headers: list[tuple[str, str]] = field(default_factory=lambda: JSON_HEADERS)
    error: OAuthError | None = None
    is_for_scripts: bool = True

    @classmethod
    def refusing(cls, cause: OAuthError | TooManyRequests | Unavailable) -> "OAuthResponse":
        """The error response (RFC 6749 §5.2)."""
        error = as_oauth_error(cause)
        return cls(error.status, error.body, error.headers, error)

    @classmethod
    def issuing(
        cls,
        token: AccessToken,
        refresh_token: str | None,
        id_token: str | None,
        issued_token_type: TokenType | None = None,
        dpop_nonce: str | None = None,
    ) -> "OAuthResponse":
        """The successful response (RFC 6749 §5.1, RFC 8693 §2.2.1, RFC 9449 §5)."""
        body: dict[str, object] = {
            "access_token": token.token,
            "token_type": DPOP if token.jkt else "Bearer",
            "expires_in": token.expires_in,
            "scope": token.scope,
        }
        if refresh_token is not None:
            body["refresh_token"] = refresh_token
        if id_token is not None:
            body["id_token"] = id_token
        if issued_token_type is not None:
            body["issued_token_type"] = issued_token_type.value
            if issued_token_type is not TokenType.ACCESS_TOKEN:
                body["token_type"] = "N_A"  # noqa: S105 - RFC 8693 §2.2.1
        if dpop_nonce is not None:
            return cls(200, body, [*JSON_HEADERS, ("DPoP-Nonce", dpop_nonce)])
        return cls(200, body, JSON_HEADERS)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it directly: constructing a Starlette `Response` takes several times as long."""
        body = b"" if self.body is None else to_json(self.body)
        named = (*self.headers, *FOR_ANY_ORIGIN) if self.is_for_scripts else self.headers
        length = [] if self.status == NO_CONTENT else [(b"content-length", b"%d" % len(body))]
        headers = [*_encode(*named), *length]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


@lru_cache(64)
def _encode(*headers: tuple[str, str]) -> tuple[tuple[bytes, bytes], ...]:
    return tuple((name.lower().encode(), value.encode()) for name, value in headers)
