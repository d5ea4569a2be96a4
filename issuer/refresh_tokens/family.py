"""Refresh tokens: their text, and what is stored of a family of them."""

import hashlib
import hmac
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Protocol

from issuer.audit import Actor, Event, Trails
from issuer.database import Session
from issuer.directory import UserRecord
from issuer.fields.secret_text import as_characters, is_whole, random_characters, with_check_digits
from issuer.scopes import OFFLINE_ACCESS
from issuer.tokens.issuing import AccessToken

PREFIX = "airt_"
_FAMILY_CHARACTERS = 22
_WRITTEN = re.compile(rf"{PREFIX}(?P<family>[0-9A-Za-z]{{22}})[0-9A-Za-z]{{43}}[0-9a-f]{{8}}")
_NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """A family or a session expires `idle` after its last use, and `longest` after it began."""

    idle: timedelta
    longest: timedelta

    def end(self, began_at: datetime, used_at: datetime) -> datetime:
        return min(used_at + self.idle, began_at + self.longest)


class GrantedBefore(Protocol):
    """What a user granted to a client: a code, or a family of refresh tokens."""

    @property
    def user_id(self) -> str: ...
    @property
    def client_id(self) -> str: ...
    @property
    def audience_id(self) -> str: ...
    @property
    def scopes(self) -> frozenset[str]: ...
    @property
    def openid_scopes(self) -> frozenset[str]: ...


@dataclass(frozen=True, slots=True)
class Family:
    """A refresh token and its successors (RFC 6749 §6, RFC 9700 §4.14.2).

    `scopes` is the upper bound for its access tokens. `handle` is derived from the part that all
    tokens of the family share. `digest` is of the newest token, created at `rotated_at` from its
    predecessor and `salt`, for the request whose digest is `asked`. `id` is the `sid` of its
    access tokens, the last of which expires at `access_until`. `session_id` is a claim that the
    client chose, `sign_in_session` the session in which the user signed in, if in one.
    `session_times`: when that session began and was last used, None once it is deleted. `jkt` is
    the thumbprint of the key of a public client, without which the token is of no use.
    """

    id: str
    client_id: str
    user_id: str
    audience_id: str
    scopes: frozenset[str]
    openid_scopes: frozenset[str]
    session_id: str | None
    sign_in_session: str | None
    created_at: datetime
    rotated_at: datetime
    access_until: datetime
    handle: bytes = field(repr=False)
    digest: bytes = field(repr=False)
    salt: bytes | None = field(default=None, repr=False)
    asked: bytes | None = field(default=None, repr=False)
    jkt: str | None = None
    session_times: tuple[datetime, datetime] | None = None

    @property
    def is_of_password_grant(self) -> bool:
        """Whether the user signed in through the client, and in no session."""
        return self.sign_in_session is None

    def is_usable_by(self, jkt: str | None) -> bool:
        """Whether a request that proves to have the key `jkt`, or none, may use its tokens."""
        return self.jkt is None or self.jkt == jkt

    def is_offered(self, *, is_password_enough: bool) -> bool:
        """Whether users could still get a token by the grant with which the family began."""
        return is_password_enough or not self.is_of_password_grant

    def expires_at(self, lifetimes: Lifetimes) -> datetime:
        """When its newest token expires, unless it is used before."""
        return lifetimes.end(self.created_at, self.rotated_at)

    def session_expires_at(self, lifetimes: Lifetimes) -> datetime:
        """When the session that it needs expires: never without one, long ago if deleted."""
        if self.sign_in_session is None or OFFLINE_ACCESS in self.openid_scopes:
            return _NEVER
        return lifetimes.end(*self.session_times) if self.session_times else self.created_at


def request_digest(scopes: Iterable[str] | None, session_id: str | None) -> bytes:
    """Equal for equal requests: a client that did not get its response sends it again.

    None where the request leaves a parameter out.
    """
    asked = [None if scopes is None else sorted(set(scopes)), session_id]
    return hashlib.sha256(json.dumps(asked).encode()).digest()


@dataclass(frozen=True, slots=True)
class ValidatedToken:
    """A token whose family allows its use now, by the request `asked`. Nothing is changed yet.

    `successor` is set where the client repeats a request because its response was lost. `jkt` is
    the thumbprint of the key to which the next token is bound.
    """

    family: Family
    asked: bytes = field(repr=False)
    token: str = field(repr=False)
    successor: str | None = field(default=None, repr=False)
    jkt: str | None = None


@dataclass(frozen=True, slots=True)
class FoundToken:
    """A token that is the newest of its family, which has not expired, and the user."""

    family: Family
    user: UserRecord


@dataclass(frozen=True, slots=True)
class TokenToStore:
    """An access token that is stored with something else, and the details of its audit event."""

    access_token: AccessToken
    actor: Actor
    details: Mapping[str, object]

    def record(
        self, trails: Trails, session: Session, user_id: str, family_id: str | None = None
    ) -> None:
        """Write the audit event, in the transaction that stores what the token depends on."""
        named = {} if family_id is None else {"family": family_id}
        trail = trails.begin(session, self.actor)
        trail.note("token.issued", user_id, **self.details, **named)


@dataclass(frozen=True, slots=True)
class TokenUse:
    """A use of a refresh token: its family `before` and `after`, and the token that follows it."""

    before: Family
    after: Family
    successor: str = field(repr=False)
    issue: TokenToStore

    def event(self, at: datetime) -> Event:
        """The audit event of the access token."""
        details = {**self.issue.details, "family": self.before.id}
        target = self.before.user_id
        return Event(at, self.issue.actor, "token.issued", target, details=details)


class RefreshTokenMaker:
    """Creates tokens and digests under one HMAC key. `random` must be a cryptographic source.

    `airt_`, 22 characters of the family (131 bits), 43 of its own (256 bits), check digits: one
    used long ago still names its family. Only HMACs are stored, under an encrypted key: no reader
    of the database can present a token, none of the audit log can derive one.
    """

    def __init__(self, hmac_key: bytes, random: Random) -> None:
        self._hmac_key = hmac_key
        self._random = random

    def first(self) -> str:
        """The first token of a new family."""
        family = random_characters(self._random, _FAMILY_CHARACTERS)
        return _write(family, random_characters(self._random))

    def salt(self) -> bytes:
        """256 random bits, which make a successor unpredictable."""
        return self._random.randbytes(32)

    def successor(self, token: str, salt: bytes) -> str:
        """The token that follows `token`: a function of `token`, `salt` and the key."""
        number = int.from_bytes(self._digest("successor", token, salt), "big")
        return _write(_family(token), as_characters(number))

    def handle(self, token: str) -> bytes | None:
        """The digest that identifies the family; None if the text is not a refresh token."""
        if not (_WRITTEN.fullmatch(token) and is_whole(token)):
            return None
        return self._digest("family", _family(token))

    def digest(self, token: str) -> bytes:
        return self._digest("token", token)

    def _digest(self, purpose: str, text: str, more: bytes = b"") -> bytes:
        return hmac.digest(self._hmac_key, f"{purpose}\n{text}\n".encode() + more, hashlib.sha256)


def _family(token: str) -> str:
    return token[len(PREFIX) :][:_FAMILY_CHARACTERS]


def _write(family: str, own: str) -> str:
    return with_check_digits(PREFIX + family + own)
