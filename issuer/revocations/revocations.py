"""Revoking tokens before they expire, within one transaction."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Set
from dataclasses import dataclass
from datetime import datetime, timedelta

from issuer.clock import Clock
from issuer.database import Session
from issuer.database.store import in_parts
from issuer.deliveries.logouts_store import EndedSessions
from issuer.errors import NotYet
from issuer.revocations.share import LIMITS, FeedLimits, Listed
from issuer.revocations.store import UNLISTED, ExchangedToken, RevocationStore, RevokedPrincipal
from issuer.vocabulary import MAX_CLOCK_SKEW, MAX_TOKEN, SEEN_WITHIN, TOKEN_RETENTION

JTI = "jti"
SID = "sid"
SUB = "sub"
CLIENT_ID = "client_id"
AUDIENCE = "aud"
KID = "kid"

_RETRY_AFTER = 60  # seconds
_TOO_MANY = (
    "The revocation feed cannot list more users, clients and audiences now: verifiers would refuse"
    " a larger one. Wait until entries have expired, or revoke the signing keys, which revokes all"
    " tokens at once."
)
_AT_ONCE = 100
# However often a principal loses rights, its tokens are revoked for that no more often.
PAUSE = timedelta(seconds=5)


class FeedFull(NotYet):
    """Another entry would exceed a limit of the feed. Entries leave it as tokens expire."""

    def __init__(self, message: str = "") -> None:
        super().__init__(message or _TOO_MANY, _RETRY_AFTER)


@dataclass(frozen=True, slots=True)
class MissedRevocations:
    """Principals with tokens that were issued later than the second until which they are revoked.

    Of `without_own`, tokens for the issuer's own audience were not revoked. False without any.
    """

    until: Mapping[RevokedPrincipal, datetime]
    without_own: Set[RevokedPrincipal]

    def __bool__(self) -> bool:
        return bool(self.until)


class Revocations:
    """A revocation is in the feed as soon as the transaction is committed.

    It applies to what was exchanged for the tokens as well (RFC 8693), which is listed one by one.
    Beyond a share of the feed one entry takes its place: for the user, of a single token or family;
    for the client that got them, of all tokens of a client, an audience or a key.

    `not_revoked`: clients for which there was no space for that entry either. `left_valid`: users,
    clients and audiences whose refresh tokens have ended, but for whose access tokens there was no
    space. `is_admin` says whether the operator has `issuer:admin`, for whom a part is reserved.
    """

    def __init__(
        self,
        session: Session,
        clock: Clock,
        *,
        limits: FeedLimits = LIMITS,
        is_admin: Callable[[], bool] = lambda: False,
    ) -> None:
        self._limits = limits
        self._is_admin = is_admin
        self._session = session
        self._store = RevocationStore(session)
        self._clock = clock
        self.not_revoked: set[str] = set()
        self.left_valid: set[str] = set()
        self._principals: dict[RevokedPrincipal, datetime] = {}
        self._without_own: set[RevokedPrincipal] = set()
        self._principal_bytes: int | None = None

    @property
    def still_valid(self) -> list[str]:
        """The ids of all whose access tokens could not be revoked, in order."""
        return sorted(self.not_revoked | self.left_valid)

    @property
    def warning(self) -> str:
        """What could not be revoked, as sentences for operators; empty if everything was."""
        stays = {
            "what these clients got by token exchange stays valid until it expires": (
                self.not_revoked
            ),
            "access tokens of these stay valid until they expire": self.left_valid,
        }
        return " ".join(
            f"The revocation feed is full: {what}: {', '.join(sorted(whose))}."
            for what, whose in stays.items()
            if whose
        )

    def revoke_tokens(self, expirations: Mapping[str, datetime]) -> None:
        """Revoke access tokens by `jti`, with their `exp`, for an operator. Idempotent.

        Tokens that have expired for every verifier, even one whose clock is late, are skipped.
        `FeedFull` if there are too many: an operator can revoke all tokens of a user or client.
        """
        if not self._is_listed(JTI, expirations):
            raise FeedFull(
                "The revocation feed cannot list more single tokens now. Revoke all tokens of the"
                " user or of the client instead."
            )

    def revoke_own_token(
        self, jti: str, expires_at: datetime, *, client_id: str, subject: str
    ) -> bool:
        """Revoke an access token for the client it was issued to: False if others are as well.

        Beyond the client's share of the feed, all tokens issued so far with the client as subject
        are revoked: one entry, which affects no other client. `FeedFull` for a token of a user,
        which stays valid until it expires: an entry for the user or the client would revoke
        tokens of others.
        """
        if self._is_listed(JTI, {jti: expires_at}, client_id, subject):
            return RevokedPrincipal(SUB, subject) not in self._principals
        if subject != client_id:
            raise FeedFull("The revocation feed cannot list more tokens of this client now.")
        self._add_principals(
            [RevokedPrincipal(SUB, client_id)], self._limits.principal_bytes_of_users
        )
        return False

    def revoke_of_user(
        self, claim: str, expirations: Mapping[str, datetime], *, client_id: str, user_id: str
    ) -> bool:
        """Revoke access tokens of a user by `jti` or, all of a family or session, by `sid`.

        With when the last of them expires. Beyond the share of the client or the user, all access
        tokens issued so far to this user are revoked; the user's other refresh tokens get new
        ones. False if the feed is too full for that as well.
        """
        try:
            if not self._is_listed(claim, expirations, client_id, user_id):
                is_for_others = bool(client_id) and not self._store.is_for_own_audience(client_id)
                self._revoke_users([user_id], without_own=is_for_others)
        except FeedFull:
            return False
        return True

    def revoke_access_of(self, user_ids: Iterable[str], *, with_own: bool = False) -> bool:
        """Revoke all access tokens issued so far to users who lost some of their rights.

        They keep their sessions and refresh tokens, whose new access tokens have the rights that
        are left, and tokens for the issuer's own audience unless `with_own`. Those whose tokens
        were revoked a moment ago get some meanwhile: these are revoked within `PAUSE`. False if the
        feed was too full for all of them: the tokens of the others stay valid until they expire.
        """
        max_bytes = self._of_operators
        try:
            for part in in_parts(sorted(self._store.may_have_tokens({*user_ids}))):
                if with_own:
                    self._revoke_users(part, max_bytes)
                else:
                    users = [RevokedPrincipal(SUB, each) for each in part]
                    self._revoke_lost_rights(users, max_bytes)
        except FeedFull:
            return False
        return True

    def revoke_access_through(self, client_id: str) -> None:
        """Revoke all access tokens issued so far to a client that lost some of its rights.

        Those of its users included, and what was exchanged for them, as `revoke_access_of` does.
        """
        client = RevokedPrincipal(CLIENT_ID, client_id)
        try:
            self._revoke_lost_rights([client], self._of_operators)
        except FeedFull:
            self.not_revoked.add(client_id)
        else:
            self._revoke_what_follows(client)

    def has_postponed(self) -> bool:
        """Whether `revoke_postponed` has something to do."""
        return bool(self._store.postponed(self._clock(), 1))

    def revoke_postponed(self) -> bool:
        """Revoke some of what had to wait for its `PAUSE`; whether there is more."""
        if due := self._store.postponed(self._clock(), _AT_ONCE):
            self._add_principals(due, without_own=True)
        for each in due:
            self._revoke_what_follows(each)
        return self.has_postponed()

    def revoke_exchanged_through(self, user_id: str, client_id: str) -> bool:
        """Revoke the tokens of a user that the client got by exchange, or others for its own.

        False if the feed is too full.
        """
        self._store.begin_change(self._clock())
        tokens = self._store.exchanged_through(user_id, client_id, self._most_exchanged())
        try:
            users = {user_id} if tokens is None else self._beyond_share(tokens)
            self._revoke_users(users, without_own=True)
        except FeedFull:
            return False
        return True

    def revoke_exchanged_under(self, kid: str) -> None:
        """Revoke what was exchanged for tokens of a revoked key."""
        self._store.begin_change(self._clock())
        self._revoke_exchanged(KID, kid)

    def revoke_user(self, user_id: str) -> None:
        """Revoke the tokens of a user. One who can have no token takes no space in the feed."""
        if self._store.may_have_tokens([user_id]):
            self.revoke_subject(user_id)

    def revoke_subject(self, user_or_client_id: str) -> None:
        """Revoke all access and refresh tokens issued so far with this `sub`."""
        self._revoke_all(RevokedPrincipal(SUB, user_or_client_id))

    def has_ended(self, user_id: str, at: datetime) -> bool:
        """Whether all tokens of the user were revoked in that second or later.

        Refresh tokens included: not where the user only lost rights.
        """
        return self._store.has_ended(user_id, at + SEEN_WITHIN)

    def revoke_client(self, client_id: str) -> None:
        """Revoke all access and refresh tokens issued so far to this `client_id`, of any `sub`."""
        self._revoke_all(RevokedPrincipal(CLIENT_ID, client_id))

    def revoke_audience(self, audience_id: str) -> None:
        """Revoke all access and refresh tokens issued so far for this `aud`."""
        self._revoke_all(RevokedPrincipal(AUDIENCE, audience_id))

    def delete_expired(self) -> int:
        """Delete some entries and exchanged tokens that have all expired; how many.

        Not before every process, even one whose clock is late, has left them out of its feed:
        until then they are counted.
        """
        return self._store.delete_expired(self._clock() - TOKEN_RETENTION - MAX_CLOCK_SKEW)

    def check_invariants(self) -> None:
        """Called at the end of a transaction: "issued so far" ends then, not when it began.

        Nothing has been exchanged meanwhile: the feed's row is locked.
        """
        now = issued_so_far(self._clock())
        late = {each for each, not_after in self._principals.items() if now > not_after}
        self._revoke_later(late, self._without_own)

    def missed_by_slow_commit(self) -> "MissedRevocations":
        """After the commit: those whose tokens of its last moments are not revoked, with when.

        Empty unless the commit took a second: until it ended, no process saw the change, and all
        issued tokens. Revoke these again at once: from then on every process sees the change, so
        it does not matter how long that second commit takes.
        """
        second = self._clock().replace(microsecond=0)
        late = {each: until for each, until in self._principals.items() if until < second}
        return MissedRevocations(late, self._without_own & late.keys())

    def revoke_again(self, missed: "MissedRevocations") -> None:
        """Revoke the tokens that they were issued later, and what was exchanged for those."""
        self._revoke_later({*missed.until}, missed.without_own)
        for each, until in missed.until.items():
            self._revoke_what_follows(each, since=until)

    def _revoke_later(
        self, principals: set[RevokedPrincipal], without_own: Set[RevokedPrincipal]
    ) -> None:
        if with_own := principals - without_own:
            self._add_principals(with_own)
        if rest := principals & without_own:
            self._add_principals(rest, without_own=True)

    def _is_listed(
        self, kind: str, expirations: Mapping[str, datetime], client_id: str = "", subject: str = ""
    ) -> bool:
        """List the tokens one by one; False, and none of them, beyond a limit."""
        if not self._add(kind, expirations, client_id, subject):
            return False
        if kind == JTI:  # what was exchanged has the same `sid`
            tokens = self._store.exchanged_for(expirations, self._most_exchanged())
            self._revoke_users(
                self._store.users_of_exchanged(expirations)
                if tokens is None
                else self._beyond_share(tokens),
                without_own=True,  # of which none was exchanged
            )
        return True

    def _beyond_share(self, tokens: Iterable[ExchangedToken]) -> set[str]:
        """List the tokens, each for its client and user; the users whose share has no space."""
        return {each.user_id for each in self._not_in_feed(tokens, are_of_users=True)}

    def _revoke_exchanged(self, kind: str, name: str, *, since: datetime | None = None) -> None:
        """What was exchanged for tokens of a client, for an audience or of a key.

        An entry for a client that got some covers all its tokens, so what was exchanged for these
        is revoked in the same way.
        """
        tokens = self._store.exchanged_for_any(kind, name, self._most_exchanged(), since=since)
        if tokens is None:
            clients = self._store.exchanging_clients(kind, name)
        else:
            clients = {each.client_id for each in self._not_in_feed(tokens, are_of_users=False)}
        for client_id in sorted(self._store.with_later_clients(clients)):
            try:
                client, limit = RevokedPrincipal(CLIENT_ID, client_id), self._limits
                self._add_principals([client], limit.principal_bytes_of_users, without_own=True)
            except FeedFull:
                self.not_revoked.add(client_id)

    def _not_in_feed(
        self, tokens: Iterable[ExchangedToken], *, are_of_users: bool
    ) -> list[ExchangedToken]:
        """List the tokens for their clients or these clients' users; those without space."""
        groups: dict[tuple[str, str], list[ExchangedToken]] = defaultdict(list)
        for each in tokens:
            groups[each.client_id, each.user_id if are_of_users else ""].append(each)
        return [
            each
            for whose, some in groups.items()
            if not self._add(JTI, {each.jti: each.expires_at for each in some}, *whose)
            for each in some
        ]

    def _most_exchanged(self) -> int:
        """How many are listed for one revocation: as many as for one user of one client.

        The feed's row must be locked. Exchanges and other revocations wait until the commit.
        """
        return self._limits.remaining(Listed(self._store.listed_for("", "").all, 0, 0), is_own=True)

    def _add(
        self, kind: str, expirations: Mapping[str, datetime], client_id: str = "", subject: str = ""
    ) -> bool:
        now = self._clock()
        unexpired = {each: exp for each, exp in expirations.items() if exp + TOKEN_RETENTION > now}
        if not unexpired:
            return True
        # Before counting: every writer holds the lock of the feed's row, so the count stays true.
        change = self._store.begin_change(now)
        new = unexpired.keys() - self._store.listed(kind, unexpired)
        remaining = self._limits.remaining(
            self._store.listed_for(client_id, subject), is_own=bool(client_id and subject)
        )
        if len(new) > remaining:
            return False
        self._store.add_tokens(kind, unexpired, change, client_id=client_id, subject=subject)
        return True

    def _revoke_users(
        self, user_ids: Collection[str], max_bytes: int | None = None, *, without_own: bool = False
    ) -> None:
        """All access tokens issued so far to the users; refresh tokens get new ones."""
        if user_ids:
            users = [RevokedPrincipal(SUB, each) for each in sorted(user_ids)]
            limit = max_bytes or self._limits.principal_bytes_of_users
            self._add_principals(users, limit, without_own=without_own)

    def _revoke_lost_rights(self, principals: Collection[RevokedPrincipal], max_bytes: int) -> None:
        """The issuer itself compares every token with the rights of its subject: it needs no entry.

        An entry that moved with every change would leave a principal no second for a new token.
        """
        now = self._clock()
        self._store.begin_change(now)
        recently = now - PAUSE, issued_so_far(now)
        postponed = self._store.postpone(principals, recently, now + PAUSE)
        if rest := [each for each in principals if each not in postponed]:
            self._add_principals(rest, max_bytes, without_own=True)

    def _revoke_all(self, principal: RevokedPrincipal) -> None:
        """Refresh tokens and sessions end also where the feed has no space for access tokens.

        The clients of these sessions are told.
        """
        if principal.kind == SUB:
            EndedSessions(self._session).tell_of_user(principal.id, self._clock())
        try:
            self._add_principals([principal], ends_families=True)
        except FeedFull:
            self._end_families(principal)
            self.left_valid.add(principal.id)
        self._revoke_what_follows(principal)

    def _end_families(self, principal: RevokedPrincipal) -> None:
        now = self._clock()
        change = self._store.begin_change(now)
        self._store.add_principals(
            [principal],
            not_after=UNLISTED,
            expires_at=now + MAX_TOKEN,
            change=change,
            families_before=change,
            own_not_after=UNLISTED,
        )

    @property
    def _of_operators(self) -> int:
        limits = self._limits
        return limits.principal_bytes if self._is_admin() else limits.principal_bytes_of_operators

    def _revoke_what_follows(
        self, principal: RevokedPrincipal, *, since: datetime | None = None
    ) -> None:
        if principal.kind in {CLIENT_ID, AUDIENCE}:  # what was exchanged has the same `sub`
            self._revoke_exchanged(principal.kind, principal.id, since=since)

    def _add_principals(
        self,
        principals: Collection[RevokedPrincipal],
        max_bytes: int | None = None,
        *,
        ends_families: bool = False,
        without_own: bool = False,
    ) -> None:
        """Add entries for the access tokens issued so far, or move existing ones forward.

        All of them, or on `FeedFull` none. `without_own`: not for the issuer's own audience.
        """
        now = self._clock()
        not_after = issued_so_far(now)
        change = self._store.begin_change(now)
        self._require_space(principals, max_bytes or self._of_operators)
        self._store.add_principals(
            principals,
            not_after=not_after,
            expires_at=not_after + MAX_TOKEN,
            change=change,
            families_before=change if ends_families else 0,
            own_not_after=UNLISTED if without_own else not_after,
        )
        if without_own:
            self._without_own |= {*principals} - self._principals.keys()
        else:
            self._without_own -= {*principals}
        self._principals |= dict.fromkeys(principals, not_after)

    def _require_space(self, principals: Collection[RevokedPrincipal], max_bytes: int) -> None:
        new = set(principals)
        for kind in {each.kind for each in principals}:
            there = self._store.with_entry(kind, [e.id for e in principals if e.kind == kind])
            new -= {RevokedPrincipal(kind, each) for each in there}
        if not new:
            return
        if self._principal_bytes is None:
            self._principal_bytes = self._store.principal_bytes()
        needed = sum(each.max_bytes for each in new)
        if self._principal_bytes + needed > max_bytes:
            raise FeedFull
        self._principal_bytes += needed


def issued_so_far(now: datetime) -> datetime:
    """The last second of issue for which tokens are revoked by a change made `now`.

    It is later than `now`: another process goes on issuing until it has seen the change.
    """
    return (now + SEEN_WITHIN).replace(microsecond=0)
