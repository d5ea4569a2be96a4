"""Acts for a user: exchanges the user's access token for another one (RFC 8693)."""

import base64
import hashlib
import json
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from issuer.client.bearer import BearerAuth, TokenSource
from issuer.client.dpop import ProofMaker
from issuer.client.lifecycle import LONGEST_WAIT

MOST_SUBJECT_TOKENS = 1000

_GRANT_TYPE = "urn:ietf:params:oauth:grant-type:token-exchange"
_ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - the name of a type
_LAST_SECOND = 1.0  # what ends within it is of no use

_UNUSABLE = (
    "Get a new access token of the user: this one is not valid, is not of a user, or has three"
    " actors already."
)
ADVICE = {
    "The subject token cannot be used.": _UNUSABLE,
    "invalid_grant": _UNUSABLE,
    "invalid_target": "The client's may_act must lead from the audience of the token to this one,"
    " and the user must have allowed it.",
    "unauthorized_client": f"The client needs the grant type {_GRANT_TYPE}, and may_act.",
    "invalid_scope": "Ask for scopes that the user's token, the user and the client all cover.",
}
"""What to do about an error of the issuer, or its description (RFC 8693 §2.2.2, RFC 6749 §5.2).

`invalid_request` is also the error of a token that would be too large, and says so.
"""

Subject = tuple[str, str | None, str | None]
"""A token, and the audience and the scope to exchange it for."""


class Exchanged(Protocol):
    """The client of one subject."""

    @property
    def has_ended(self) -> bool: ...


class Exchanging(TokenSource, Protocol):
    """A client with tokens of its own, which exchanges those of users: a `TokenClient`."""

    def on_behalf_of(self, token: str, audience: str | None, scope: str | None) -> TokenSource: ...


Client = TypeVar("Client", bound=Exchanged)


def exchange_form(token: str, audience: str | None, scope: str | None) -> dict[str, str]:
    """RFC 8693 §2.1."""
    form = {"grant_type": _GRANT_TYPE, "subject_token": token, "subject_token_type": _ACCESS_TOKEN}
    more = {"audience": audience, "scope": scope}
    return form | {name: value for name, value in more.items() if value}


def seconds_left(token: str, wall_clock: float) -> float | None:
    """How long a JWT is of use; None for other tokens. Nothing is verified: the issuer does."""
    try:
        claims = token.split(".")[1]
        ends = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["exp"]
        return float(ends) - _LAST_SECOND - wall_clock
    except (ValueError, TypeError, LookupError, RecursionError, OverflowError):
        return None


class ClientsBySubject(Generic[Client]):
    """The clients of the subject tokens that were used last, by a hash of the token."""

    def __init__(self) -> None:
        self._clients: OrderedDict[tuple[bytes, str | None, str | None], Client] = OrderedDict()
        self.forget_lock()

    def get(self, subject: Subject, make: Callable[[Subject], Client]) -> Client:
        """The client of this token, audience and scope; made if there is none."""
        token, audience, scope = subject
        key = hashlib.sha256(token.encode()).digest(), audience, scope
        with self._lock:
            client = self._clients.get(key)
            if client is None:
                client = self._clients[key] = make(subject)
                self._forget_some()
            else:
                self._clients.move_to_end(key)
        return client

    def _forget_some(self) -> None:
        """Forget clients whose token has expired, the least recently used first; then more."""
        while self._clients:
            oldest = next(iter(self._clients.values()))
            if len(self._clients) <= MOST_SUBJECT_TOKENS and not oldest.has_ended:
                return
            self._clients.popitem(last=False)

    def forget_lock(self) -> None:
        """In a forked child: a thread that held it did not come along."""
        self._lock = threading.Lock()


@dataclass(eq=False, repr=False)
class OnBehalfOf:
    """Tokens for whichever user is at hand at each call, with the methods of a `TokenClient`.

    `client` is the client itself, for what is done for no user, such as opening a connection that
    users share.
    """

    client: Exchanging
    subject_token: Callable[[], str | TokenSource]
    audience: str | None
    scope: str | None

    def __repr__(self) -> str:
        return f"OnBehalfOf({self.client!r}, audience={self.audience!r}, scope={self.scope!r})"

    def present(self) -> TokenSource:
        """The client of the user at hand. Raises what the callable raises."""
        subject = self.subject_token()
        if not isinstance(subject, str):
            return subject
        return self.client.on_behalf_of(subject, self.audience, self.scope)

    def auth(self, *origins: str) -> BearerAuth:
        """`TokenClient.auth` for the user at hand: each request carries a token of that user."""
        return BearerAuth(self, origins)

    @property
    def proofs(self) -> ProofMaker | None:
        return self.present().proofs

    def token(self, *, timeout: float = LONGEST_WAIT) -> str:
        return self.present().token(timeout=timeout)

    async def async_token(self, *, timeout: float = LONGEST_WAIT) -> str:
        return await self.present().async_token(timeout=timeout)

    def replace(self, refused: str, *, timeout: float = LONGEST_WAIT) -> str | None:
        return self.present().replace(refused, timeout=timeout)

    async def async_replace(self, refused: str, *, timeout: float = LONGEST_WAIT) -> str | None:
        return await self.present().async_replace(refused, timeout=timeout)

    def report_refused(self, refused: str) -> None:
        self.present().report_refused(refused)


def own(tokens: TokenSource) -> TokenSource:
    """For what users share: the client's own tokens, if `tokens` are those of users at hand."""
    return tokens.client if isinstance(tokens, OnBehalfOf) else tokens
