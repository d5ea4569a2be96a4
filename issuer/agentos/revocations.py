"""The contents of a revocation feed (docs/reference/revocation-feed.md). Pure functions."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn

import jwt

from issuer.agentos.errors import NotFetched
from issuer.agentos.rules import YEAR_10000

MAX_ENTRIES = 500_000
_MAX_KEYS = 10_000
_MAX_ID = 255
_MAX_NUMBER = 12
_MAX_TOKEN_LIFE = 24 * 3600

Times = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class RevokedEntries:
    """What was revoked as of `issued_at`. All times are whole seconds since 1970.

    `tokens` maps each `jti` to its expiry. `sessions`, `subjects`, `clients` and `audiences` map
    an id to the last second (inclusive) whose tokens in, to or for it are revoked. `keys` are
    revoked `kid`s.
    """

    issued_at: int = 0
    expires_at: int = 0
    tokens: Times = field(default_factory=dict)
    subjects: Times = field(default_factory=dict)
    clients: Times = field(default_factory=dict)
    keys: frozenset[str] = frozenset()
    audiences: Times = field(default_factory=dict)
    sessions: Times = field(default_factory=dict)

    def refuse(self, kid: str, claims: Mapping[str, Any]) -> None:
        """`jwt.InvalidTokenError` for a revoked token. Takes verified claims."""
        if kid in self.keys:
            raise jwt.InvalidTokenError("The token's key was revoked.")
        issued_at = int(claims.get("iat") or 0)
        jti, aud = claims.get("jti"), claims.get("aud")
        audiences = aud if isinstance(aud, list) else [aud]
        if (
            (isinstance(jti, str) and jti in self.tokens)
            or issued_at <= _time_of(self.sessions, claims.get("sid"))
            or issued_at <= _time_of(self.subjects, claims.get("sub"))
            or issued_at <= _time_of(self.clients, claims.get("client_id"))
            or any(issued_at <= _time_of(self.audiences, each) for each in audiences)
        ):
            raise jwt.InvalidTokenError("The token was revoked.")

    def after(self, before: "RevokedEntries", leeway: float) -> "RevokedEntries":
        """This, with the revocations known `before`: a later feed cannot undo one.

        Entries that no valid token can match are dropped unless still listed: a `jti` after its
        expiry, others after a day, the longest lifetime of a token. Above the limit, sessions that
        are no longer listed are dropped, too. `leeway` is how far a verifier's clock may be
        behind. `NotFetched` if there are still too many entries.
        """
        expired = self.issued_at - leeway
        issued = expired - _MAX_TOKEN_LIFE
        times: dict[str, Any] = {
            name: _join(now, getattr(before, name), expired if name == "tokens" else issued)
            for name, now in self._times()
        }
        joined = replace(self, keys=self.keys | before.keys, **times)
        if joined.is_too_much:
            joined = replace(joined, sessions=self.sessions)
        if joined.is_too_much:
            raise NotFetched(
                f"has too many entries: more than {MAX_ENTRIES} with those known before"
            )
        return joined

    @property
    def is_too_much(self) -> bool:
        """Whether there are more entries than an AgentOS should hold in memory."""
        return sum(self.count.values()) > MAX_ENTRIES or len(self.keys) > _MAX_KEYS

    def is_covered_by(self, other: "RevokedEntries") -> bool:
        """Whether `other` refuses every token that this refuses."""
        pairs = ((mine, getattr(other, name)) for name, mine in self._times())
        return self.keys <= other.keys and all(_is_within(mine, theirs) for mine, theirs in pairs)

    @property
    def count(self) -> dict[str, int]:
        """The number of entries of each kind, by its member name in the feed."""
        times = {_MEMBERS[name]: len(each) for name, each in self._times()}
        return {**times, "kid": len(self.keys)}

    def as_json(self) -> bytes:
        """The claims of a feed, which `read_revocations` reads."""
        # Entry by entry, so that other threads can run meanwhile.
        times = (
            f'"{_MEMBERS[name]}":{{{",".join(f"{json.dumps(i)}:{at}" for i, at in ids.items())}}}'
            for name, ids in self._times()
        )
        ends = f'"iat":{self.issued_at},"exp":{self.expires_at}'
        revoked = f'{{"kid":{json.dumps(sorted(self.keys))},{",".join(times)}}}'
        return f'{{{ends},"revoked":{revoked}}}'.encode()

    def _times(self) -> Iterator[tuple[str, Times]]:
        for name in _MEMBERS:
            yield name, getattr(self, name)


_MEMBERS = {
    "tokens": "jti",
    "sessions": "sid",
    "subjects": "sub",
    "clients": "client_id",
    "audiences": "aud",
}


def read_revocations(content: bytes) -> tuple[RevokedEntries, Mapping[str, Any]]:
    """The revocations in the claims of a feed, and these claims. `NotFetched` if one is invalid.

    One invalid entry makes the feed invalid: skipping it could accept a revoked token.
    """
    try:
        # A Python function per number lets other threads run while a large feed is read.
        claims = json.loads(content, parse_int=_whole, parse_float=_no, parse_constant=_no)
    except (ValueError, RecursionError):
        raise NotFetched("is not JSON with whole seconds") from None
    if not isinstance(claims, dict):
        raise NotFetched("is not a JSON object")
    revoked = claims.get("revoked")
    if not isinstance(revoked, dict):
        raise NotFetched('has no object "revoked"')
    times = {name: _times_of(revoked, member) for name, member in _MEMBERS.items()}
    return RevokedEntries(
        _second_of(claims, "iat"), _second_of(claims, "exp"), keys=_kids_of(revoked), **times
    ), claims


def _time_of(times: Times, name: Any) -> int:
    return times.get(name, -1) if isinstance(name, str) else -1


def _join(now: Times, before: Times, relevant_after: float) -> Times:
    carried_over = {
        name: at
        for name, at in before.items()
        if at > now.get(name, -1) and (at > relevant_after or name in now)
    }
    return {**now, **carried_over} if carried_over else now


def _is_within(times: Times, others: Times) -> bool:
    return all(at <= others.get(name, -1) for name, at in times.items())


def _times_of(revoked: Mapping[str, Any], member: str) -> Times:
    times = revoked.get(member)
    if not isinstance(times, dict):
        raise NotFetched(f'has no object "{member}"')
    if not all(0 < len(name) <= _MAX_ID and _is_second(at) for name, at in times.items()):
        raise NotFetched(f'has an invalid entry in "{member}"')
    return times


def _kids_of(revoked: Mapping[str, Any]) -> frozenset[str]:
    kids = revoked.get("kid")
    if not isinstance(kids, list) or len(kids) > _MAX_KEYS:
        raise NotFetched('has no array "kid"')
    if not all(isinstance(kid, str) and 0 < len(kid) <= _MAX_ID for kid in kids):
        raise NotFetched('has an invalid entry in "kid"')
    return frozenset(kids)


def _second_of(claims: Mapping[str, Any], member: str) -> int:
    second = claims.get(member)
    if not isinstance(second, int) or not _is_second(second):
        raise NotFetched(f'has no whole seconds in "{member}"')
    return second


def _is_second(value: Any) -> bool:
    return type(value) is int and 0 <= value < YEAR_10000


def _whole(digits: str) -> int:
    if len(digits) > _MAX_NUMBER:
        raise ValueError(digits[:_MAX_NUMBER])
    return int(digits)


def _no(_: str) -> NoReturn:
    raise ValueError
