"""A saved copy of the revocation feed: revokes again what was revoked since a backup."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, TypeAlias

from pydantic import BaseModel, Field, ValidationError

from issuer.audit import Trail
from issuer.backup.store import end_families_and_sessions
from issuer.clock import Clock
from issuer.database import Session
from issuer.errors import IssuerError
from issuer.keys import Keys, SigningKey
from issuer.keys.jwks import StatementReader
from issuer.revocations.revocations import AUDIENCE, CLIENT_ID, JTI, SID, SUB
from issuer.revocations.store import RevocationStore, RevokedPrincipal
from issuer.vocabulary import FEED_TYPE, MAX_CLOCK_SKEW, MAX_TOKEN

# As a verifier has it.
MAX_BYTES = 16 * 1024 * 1024

_Seconds: TypeAlias = Annotated[int, Field(ge=0, lt=2**32)]
_TokenId: TypeAlias = Annotated[str, Field(max_length=40)]
_PrincipalId: TypeAlias = Annotated[str, Field(max_length=255)]


class SavedEntries(BaseModel):
    """The member `revoked` of a feed; docs/reference/revocation-feed.md says what it means."""

    jti: dict[_TokenId, _Seconds]
    sid: dict[_TokenId, _Seconds]
    sub: dict[_PrincipalId, _Seconds]
    client_id: dict[_PrincipalId, _Seconds]
    aud: dict[_PrincipalId, _Seconds]
    kid: list[str]


class SavedFeed(BaseModel):
    """The claims of a feed."""

    iss: str
    iat: _Seconds
    revoked: SavedEntries

    @property
    def issued_at(self) -> datetime:
        return datetime.fromtimestamp(self.iat, UTC)


@dataclass(frozen=True)
class RevokedAgain:
    """What a saved feed revoked that the archive did not.

    `tokens` are entries for single tokens and for sessions, `ended` the refresh families and
    sessions that were deleted. `principals` are users, clients and audiences, all of whose tokens
    were revoked: by the claim that names them. `unknown_keys` were made after the backup.
    """

    tokens: int
    ended: int
    principals: Mapping[str, list[str]]
    keys: list[str]
    unknown_keys: list[str]

    def as_details(self) -> dict[str, Any]:
        """For the audit log."""
        principals = {kind: len(ids) for kind, ids in self.principals.items()}
        return {"tokens": self.tokens, "ended": self.ended, **principals, "keys": self.keys}


def read_feed(
    document: bytes, keys: Iterable[SigningKey], issuer: str, known_at: datetime, now: datetime
) -> SavedFeed:
    """The feed, if a key of the archive signed it; `IssuerError` for another.

    The feed of the archive is of `known_at`: an older one would revoke nothing more. An expired
    feed is as good as another: it only revokes.
    """
    usable = [key for key in keys if key.revoked_at is None]
    token = document.decode("ascii", "replace").strip()
    claims = StatementReader(FEED_TYPE, lambda: usable).read(token)
    if claims is None:
        raise IssuerError(
            "The saved feed is not one that a signing key of this backup signed: save it as"
            " GET /.well-known/revocations answers it. A feed that a key signed which is newer than"
            " the backup cannot be verified."
        )
    try:
        feed = SavedFeed.model_validate(claims, strict=True)
    except ValidationError:
        raise IssuerError("The saved feed has other claims than a revocation feed.") from None
    if feed.iss != issuer:
        raise IssuerError(f"The saved feed is of another issuer, {feed.iss}.")
    signed = f"signed at {feed.issued_at:%Y-%m-%d %H:%M:%S} UTC"
    if feed.issued_at < known_at.replace(microsecond=0):
        raise IssuerError(
            f"The saved feed is older than that of the backup: it was {signed}, and that of the"
            f" backup at {known_at:%Y-%m-%d %H:%M:%S} UTC."
        )
    if feed.issued_at > now + MAX_CLOCK_SKEW:
        raise IssuerError(
            f"The saved feed was {signed}, which is in the future: set the clock of this machine."
        )
    return feed


def revoke_again(
    session: Session, trail: Trail, clock: Clock, feed: SavedFeed, change: int
) -> RevokedAgain:
    """Revoke what the feed lists, as change number `change` of the feed."""
    store, listed = RevocationStore(session), feed.revoked
    tokens = _tokens(store, JTI, listed.jti, change)
    sessions = _tokens(store, SID, listed.sid, change)
    named = {SUB: listed.sub, CLIENT_ID: listed.client_id, AUDIENCE: listed.aud}
    keys = Keys(session, trail, clock)
    stored = {key.kid: key for key in keys.all()}
    revoked = [kid for kid in listed.kid if kid in stored and stored[kid].revoked_at is None]
    for kid in revoked:
        keys.revoke(kid)
    return RevokedAgain(
        tokens=tokens + sessions,
        ended=end_families_and_sessions(session, listed.sid),
        principals=_principals(store, named, change),
        keys=revoked,
        unknown_keys=[kid for kid in listed.kid if kid not in stored],
    )


def _tokens(store: RevocationStore, kind: str, listed: Mapping[str, int], change: int) -> int:
    new = listed.keys() - store.listed(kind, listed)
    expirations = {each: datetime.fromtimestamp(listed[each], UTC) for each in new}
    # For no client: the feed was within the limits, and says nothing about shares.
    store.add_tokens(kind, expirations, change, client_id="", subject="")
    return len(new)


def _principals(
    store: RevocationStore, named: Mapping[str, Mapping[str, int]], change: int
) -> dict[str, list[str]]:
    """Revoke principals, and end their refresh families, sessions and codes.

    Whether their revocation ended these as well, the feed does not say. A principal that
    the archive has with the same time is left out: its families began later.
    """
    known = {RevokedPrincipal(each.kind, each.id): each.until for each in store.entries(since=-1)}
    new: dict[str, list[str]] = {kind: [] for kind in named}
    for kind, instants in named.items():
        for name, second in instants.items():
            principal, not_after = RevokedPrincipal(kind, name), datetime.fromtimestamp(second, UTC)
            if principal in known and known[principal] >= not_after:
                continue
            expires_at = not_after + MAX_TOKEN
            store.add_principals(
                [principal],
                not_after=not_after,
                expires_at=expires_at,
                change=change,
                families_before=change,
                own_not_after=not_after,
            )
            new[kind].append(name)
    return new
