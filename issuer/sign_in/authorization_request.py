"""A valid authorization request, and its sealed form, which the browser keeps in a cookie.

A request is not stored, so that nobody can fill the database with requests; sealed, it cannot be
read or changed, and belongs to the browser that sent it.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from issuer.clock import Clock
from issuer.database.principals import new_id
from issuer.sign_in.sealed_text import SealedTexts

VALID_FOR = timedelta(minutes=10)
MAX_BYTES = 2_500  # as JSON; a browser keeps cookies of 4,096 bytes
_SETS = ("openid_scopes", "prompt")


@dataclass(frozen=True, slots=True)
class AuthorizationRequest:
    """The parameters of RFC 6749 §4.1.1, RFC 7636, RFC 8707 and OpenID Connect Core §3.1.2.1.

    `audience_id` None: the token is only for user info. `scopes` None: all that the user holds.
    `expected_user_id`: the user of the `id_token_hint`; nobody else may complete the request.
    `code_challenge` is by S256.
    """

    id: str
    client_id: str
    redirect_uri: str
    audience_id: str | None
    scopes: tuple[str, ...] | None
    openid_scopes: frozenset[str]
    state: str | None = field(repr=False)
    nonce: str | None = field(repr=False)
    prompt: frozenset[str]
    max_age: int | None
    login_hint: str | None
    expected_user_id: str | None
    code_challenge: str
    created_at: datetime


class RequestTooLarge(Exception):
    """The parameters are too long to be kept in a cookie."""


class AuthorizationRequests:
    """Seals requests for the cookie, and opens them."""

    def __init__(self, texts: SealedTexts, clock: Clock, random: Random) -> None:
        self._texts = texts
        self._clock = clock
        self._random = random

    def new_id(self) -> str:
        return new_id("", self._random)

    def seal(self, request: AuthorizationRequest) -> str:
        """The text for the cookie; `RequestTooLarge`."""
        members = asdict(request) | {name: sorted(getattr(request, name)) for name in _SETS}
        members["created_at"] = request.created_at.timestamp()
        text = json.dumps(members, separators=(",", ":"))
        if len(text) > MAX_BYTES:
            raise RequestTooLarge
        return self._texts.seal(text)

    def open(self, sealed: str) -> AuthorizationRequest | None:
        """The request; None if it expired or was not sealed here."""
        text = self._texts.open(sealed)
        request = None if text is None else _read(json.loads(text))
        return request if request and self._clock() < request.created_at + VALID_FOR else None


def _read(members: Mapping[str, Any]) -> AuthorizationRequest:
    scopes = members["scopes"]
    return AuthorizationRequest(
        **{
            **members,
            "scopes": None if scopes is None else tuple(scopes),
            "created_at": datetime.fromtimestamp(members["created_at"], UTC),
            **{name: frozenset(members[name]) for name in _SETS},
        }
    )
