"""The revocations in a feed: reading and verifying them, and refusing tokens by them."""

import json
from base64 import urlsafe_b64decode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NoReturn

import jwt

from issuer.agentos.errors import NotFetched
from issuer.agentos.key_set import Keys, TrustedKey
from issuer.agentos.rules import YEAR_10000, TokenRules, known_name

MAX_ENTRIES = 500_000
_MAX_KEYS = 10_000
_MAX_ID = 255
_MAX_NUMBER = 12
_MAX_TOKEN_LIFE = 24 * 3600

Times = Mapping[str, int]
TYP = "revocations+jwt"
MAX_CLOCK_SKEW = 300.0
_MAX_HEADER = 4096
_MAX_LIFETIME = 24 * 3600
_PIECE = 4 * 65_536


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
        if not joined.is_too_much:
            return joined
        raise NotFetched(f"has too many entries: more than {MAX_ENTRIES} with those known before")

    @property
    def is_too_much(self) -> bool:
        """Whether there are more entries than an AgentOS should hold in memory."""
        return sum(self.count.values()) > MAX_ENTRIES or len(self.keys) > _MAX_KEYS

    def is_covered_by(self, other: "RevokedEntries") -> bool:
        """Whether `other` refuses every token that this refuses."""
        pairs = ((mine, getattr(other, name)) for name, mine in self._times())
        times = ((at, theirs.get(key, -1)) for mine, theirs in pairs for key, at in mine.items())
        return self.keys <= other.keys and all(mine <= theirs for mine, theirs in times)

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


_NAMES = ("tokens", "sessions", "subjects", "clients", "audiences")
_MEMBERS = dict(zip(_NAMES, ("jti", "sid", "sub", "client_id", "aud"), strict=True))


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


def kid_of(feed: bytes) -> str | None:
    """The unverified `kid` of the feed; `NotFetched` if it is not a JWT."""
    kid = _header(feed).get("kid")
    return kid if isinstance(kid, str) else None


def read_feed(
    feed: bytes, keys: Keys, known: RevokedEntries, rules: TokenRules, now: float
) -> RevokedEntries:
    """The feed's revocations, without those `known` before. `NotFetched` with the cause."""
    key = _signing_key(_header(feed), keys, known)
    revocations, claims = read_revocations(_verify(feed, key))
    if claims.get("iss") != rules.issuer:
        raise NotFetched(f"is from another issuer, {str(claims.get('iss'))[:200]!r}")
    if key.kid in revocations.keys:
        raise NotFetched("is signed by a key that it lists as revoked")
    if revocations.issued_at < known.issued_at:
        raise NotFetched("is older than the one held")
    if revocations.issued_at > now + MAX_CLOCK_SKEW:
        raise NotFetched("was issued in the future")
    if not 0 < revocations.expires_at - revocations.issued_at <= _MAX_LIFETIME:
        raise NotFetched('has an "exp" that is not within a day after its "iat"')
    require_current(revocations, rules, now)
    return revocations


def require_current(revocations: RevokedEntries, rules: TokenRules, now: float) -> None:
    """`NotFetched` for an expired feed: its server may be hiding later revocations."""
    if now >= revocations.expires_at + rules.leeway:
        raise NotFetched("has expired")


def _signing_key(header: dict[str, Any], keys: Keys, known: RevokedEntries) -> TrustedKey:
    """RFC 8725 §3.11: a JWT of another type is not a feed."""
    typ = str(header.get("typ", "")).lower().removeprefix("application/")
    if typ != TYP or "crit" in header or "b64" in header:
        raise NotFetched(f"does not have the typ {TYP}")
    kid = header.get("kid")
    key = keys.get(kid) if isinstance(kid, str) else None
    if key is None or known_name(header.get("alg")) != key.alg:
        raise NotFetched("is not signed by a key of the issuer")
    if key.kid in known.keys:
        raise NotFetched("is signed by a revoked key")
    return key


def _header(feed: bytes) -> dict[str, Any]:
    header = feed.partition(b".")[0]
    if len(header) > _MAX_HEADER:
        raise NotFetched("is not a JWT")
    try:
        return jwt.get_unverified_header(header + b"..")
    except (jwt.InvalidTokenError, ValueError, RecursionError):
        raise NotFetched("is not a JWT") from None


def _verify(feed: bytes, key: TrustedKey) -> bytes:
    """The claims as bytes, once the signature is verified (RFC 7515 §5.2).

    Uses PyJWT's algorithm without its decoder, which takes ten times as long for a large feed.
    """
    signed, _, signature = feed.rpartition(b".")
    try:
        algorithm = jwt.get_algorithm_by_name(key.alg)
        if algorithm.verify(signed, key.public, _decode(signature)):
            return _decode(signed.partition(b".")[2])
    except ValueError:
        raise NotFetched("is not a JWT") from None
    raise NotFetched("has an invalid signature")


def _decode(part: bytes) -> bytes:
    """Decode in pieces, so that other threads can run meanwhile."""
    padded = part + b"=" * (-len(part) % 4)
    pieces = range(0, len(padded), _PIECE)
    return b"".join(urlsafe_b64decode(padded[start : start + _PIECE]) for start in pieces)
