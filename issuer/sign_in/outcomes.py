"""What may follow an authorization request: a page to show, or a redirect to the client."""

from dataclasses import dataclass, field
from typing import TypeAlias
from urllib.parse import urlencode

from issuer.directory import AudienceRecord, ClientRecord, UserRecord
from issuer.sign_in.authorization_request import AuthorizationRequest


@dataclass(frozen=True, slots=True)
class RequestProblem:
    """An error for a page: no redirect can be trusted to bring it to the client.

    `sentence` is for everybody, the rest for developers. `return_to`: where the error would have
    been sent, for a person to choose (RFC 9700 §4.11.2).
    """

    error: str
    sentence: str
    parameter: str = ""
    given: str | None = None
    registered: tuple[str, ...] = ()
    section: str = ""
    status: int = 400
    return_to: str | None = field(default=None, repr=False)


def shown(given: str | None, longest: int = 500) -> str | None:
    """What was sent as an error page shows it."""
    if given is None or len(given) <= longest:
        return given
    return f"{given[:longest]}… ({len(given):,} characters)"


@dataclass(frozen=True, slots=True)
class Redirection:
    """A redirect to the client, with a code or an error. `error` is empty for a code."""

    url: str = field(repr=False)
    error: str = ""


@dataclass(frozen=True, slots=True)
class SignInNeeded:
    """The user must sign in, perhaps again."""

    request: AuthorizationRequest


@dataclass(frozen=True, slots=True)
class ConsentNeeded:
    """The user must be asked whether the client may have `scopes` and `openid_scopes`.

    `audience` is None where the client only learns who the user is. `not_granted`: what the user
    holds there, and the client would not get.
    """

    request: AuthorizationRequest
    client: ClientRecord
    user: UserRecord
    audience: AudienceRecord | None
    scopes: tuple[str, ...]
    openid_scopes: tuple[str, ...]
    not_granted: tuple[str, ...]

    @property
    def allowing(self) -> tuple[object, ...]:
        """What the user allows, by whom it is allowed and where it applies."""
        return self.user.id, self.request.audience_id, self.scopes, self.openid_scopes


NextStep: TypeAlias = SignInNeeded | ConsentNeeded | Redirection | RequestProblem


def with_parameters(redirect_uri: str, parameters: dict[str, str | None]) -> str:
    """The URI with further query parameters (RFC 6749 §4.1.2), without those that are None."""
    query = urlencode({name: value for name, value in parameters.items() if value is not None})
    return f"{redirect_uri}{'&' if '?' in redirect_uri else '?'}{query}"
