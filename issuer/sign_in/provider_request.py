"""A sign-in that a browser has begun at a trusted issuer, sealed; and secrets for these issuers.

The browser keeps it in a cookie named by its `state`: an answer counts only there (RFC 9700 §4.7).
"""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime
from hashlib import sha256
from random import Random
from typing import Any

from issuer.clock import Clock
from issuer.database import Database
from issuer.database.store import new_id
from issuer.directory.records import TrustedIssuerRecord
from issuer.errors import ConfigurationError, InvalidCredentials
from issuer.fields.secret_text import random_characters
from issuer.keys.sealing import SealedTexts, Sealer
from issuer.sign_in.authorization_request import MAX_IN_COOKIE, VALID_FOR, unless_expired
from issuer.sign_in.challenges import Challenge
from issuer.sign_in.factors_store import FactorStore
from issuer.vocabulary import MAX_CLOCK_SKEW

CALLBACK_PATH = "/sign-in/callback/"  # and the id of the trusted issuer (RFC 9700 §4.4.2.2)


class UnknownRequest(InvalidCredentials):
    """The answer is for nothing that this browser asked for, or for nothing that still waits."""


class SignInDeclined(InvalidCredentials):
    """The provider signed nobody in, and why (OpenID Connect Core §3.1.2.6)."""


class NotRecent(InvalidCredentials):
    """The provider did not confirm that the sign-in is as recent as was asked for."""


@dataclass(frozen=True, slots=True)
class ProviderRequest:
    """`id` is its `state`. `request_id` and `next` say where the browser goes afterwards.

    `max_age`: how many seconds the sign-in there may be old, 0 for one after this request. Either
    `session_id` is the session to whose user the account is linked, or `invitation` is the token
    of the one that is accepted by it, or both are empty: somebody signs in. In a trial, the session
    is that of an administrator, who is told what a sign-in would do.
    """

    id: str
    issuer_id: str
    issuer: str
    nonce: str = field(repr=False)
    code_verifier: str = field(repr=False)
    created_at: datetime
    request_id: str = ""
    next: str = ""
    max_age: int | None = None
    session_id: str = ""
    invitation: str = field(default="", repr=False)
    is_trial: bool = False


@dataclass(eq=False, repr=False)
class ProviderRequests:
    """Makes, seals and opens them, and lets each count once. `_random` is cryptographic."""

    _texts: SealedTexts
    _database: Database
    _clock: Clock
    _random: Random

    def new(self, issuer: TrustedIssuerRecord, **about: Any) -> ProviderRequest:
        """A request with the other members `about` it."""
        return ProviderRequest(
            id=new_id("", self._random),
            issuer_id=issuer.id,
            issuer=issuer.issuer,
            nonce=random_characters(self._random),
            code_verifier=random_characters(self._random),
            created_at=self._clock(),
            **about,
        )

    def seal(self, request: ProviderRequest) -> str:
        """The text for its cookie, without an authorization request that is too large for one."""
        members = asdict(request) | {"created_at": request.created_at.timestamp()}
        sealed = self._texts.seal(json.dumps(members))
        if len(sealed) > MAX_IN_COOKIE:
            sealed = self._texts.seal(json.dumps(members | {"request_id": "too-large"}))
        return sealed

    def open(self, sealed: str) -> ProviderRequest | None:
        """The request; None if it expired or was not sealed here."""
        members = unless_expired(self._texts.open(sealed), self._clock())
        return ProviderRequest(**members) if members else None

    def find(
        self, state: str, issuer_id: str, cookie_of: Callable[[str], str | None]
    ) -> ProviderRequest:
        """The request that an answer with this `state` is for; `UnknownRequest` (RFC 9700 §4.4)."""
        sealed = cookie_of(state)
        request = self.open(sealed) if sealed else None
        if request is None or request.id != state:
            raise UnknownRequest("the state is of no sign-in that this browser began")
        if request.issuer_id != issuer_id:
            raise UnknownRequest("the state is of a sign-in at another trusted issuer")
        return request

    def use(self, request: ProviderRequest) -> None:
        """Call before its code is used. `UnknownRequest` if there was an answer before."""
        digest = sha256(f"provider {request.id}".encode()).digest()
        used = Challenge(digest, request.created_at + VALID_FOR + MAX_CLOCK_SKEW)
        with self._database.transaction() as session:
            if not FactorStore(session).use_challenge(used):
                raise UnknownRequest("the state was used before")


class ProviderSecrets:
    """Seals the secrets of this issuer as a client of trusted issuers, under a sealed key."""

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer

    def seal(self, issuer_id: str, secret: str) -> bytes:
        name = f"client secret at {issuer_id}"
        return self._sealer.seal(secret.encode(), name, self._sealer.newest)

    def open(self, issuer_id: str, box: bytes) -> str:
        """The secret; `ConfigurationError` if it was sealed elsewhere."""
        try:
            return self._sealer.open(box, f"client secret at {issuer_id}").decode()
        except ConfigurationError:
            raise ConfigurationError(
                f"The client secret of the trusted issuer {issuer_id} cannot be opened:"
                " set it again."
            ) from None
