"""Revocations in SQL. Writers lock the feed's row until they commit, so they run one by one."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from sqlalchemy import (
    ColumnElement,
    ScalarSelect,
    and_,
    bindparam,
    case,
    exists,
    func,
    literal,
    or_,
    select,
    true,
    union_all,
    update,
)
from sqlalchemy.orm import InstrumentedAttribute

from issuer.database import Connection
from issuer.database.counts import FeedState, read_feed_state
from issuer.database.store import Statements, delete_some, in_parts, insert_into
from issuer.database.tables import (
    ClientAudienceRow,
    DeploymentRow,
    ExchangedTokenRow,
    IdentityRow,
    PasskeyRow,
    RefreshFamilyRow,
    RevocationFeedRow,
    RevokedPrincipalRow,
    RevokedTokenRow,
    SigningKeyRow,
    SignInSessionRow,
    UserRow,
)
from issuer.revocations.share import ENTRY_BYTES, Listed, TokenIdentity


@dataclass(frozen=True, slots=True)
class RevokedPrincipal:
    """A user, client or audience whose tokens are revoked.

    `kind` is the claim that names it, as in the feed; `id` is compared byte for byte.
    """

    kind: str
    id: str

    @property
    def max_bytes(self) -> int:
        """The size of its entry in the feed, as JSON."""
        return len(self.id) + ENTRY_BYTES


# Until when tokens for the issuer's own audience are revoked.
OWN_UNTIL = case(
    (
        RevokedPrincipalRow.own_change == RevokedPrincipalRow.change,
        RevokedPrincipalRow.own_not_after,
    ),
    else_=RevokedPrincipalRow.not_after,
)
# Of an entry that is in no feed: refresh families have ended, and access tokens stay valid.
UNLISTED = datetime.fromtimestamp(0, UTC)
_IS_LISTED = RevokedPrincipalRow.not_after > UNLISTED
_KIND = attrgetter("kind")


def ended_since(
    change: InstrumentedAttribute[int], of: Mapping[str, InstrumentedAttribute[str]]
) -> ColumnElement[bool]:
    """Whether all tokens of a user, client or audience were revoked since a row was made.

    `change` is its column for the feed's count at that time; `of` as in `names`.
    """
    since = RevokedPrincipalRow.families_before > change
    return exists().where(names(of), since).correlate(change.class_)


def revoked_until(of: Mapping[str, InstrumentedAttribute[str]]) -> ScalarSelect[datetime]:
    """The last second of issue for which tokens of a row with such columns are revoked."""
    own_audience = select(DeploymentRow.issuer).scalar_subquery()
    until = case((of["aud"] == own_audience, OWN_UNTIL), else_=RevokedPrincipalRow.not_after)
    last = select(func.max(until)).where(names(of))
    return last.correlate(*{column.class_ for column in of.values()}).scalar_subquery()


def names(of: Mapping[str, InstrumentedAttribute[str]]) -> ColumnElement[bool]:
    """Whether an entry of the feed names a row: `of` has the column for each claim that may."""
    entry = RevokedPrincipalRow
    return or_(*(and_(entry.kind == kind, entry.id == column) for kind, column in of.items()))


# For claims of a subject token, and its `kid`, the column of a token that was exchanged for it.
_OF_SUBJECT = {
    "client_id": ExchangedTokenRow.subject_client,
    "aud": ExchangedTokenRow.subject_audience,
    "kid": ExchangedTokenRow.subject_kid,
}


class FeedEntry(NamedTuple):
    """An entry of the feed: when a single token or a `sid` expires, or the last second of issue.

    `own_until` is the last second of issue of tokens for the issuer's own audience.
    """

    kind: str
    id: str
    until: datetime
    own_until: datetime


@dataclass(frozen=True, slots=True)
class ExchangedToken:
    """A token that a client got in exchange for another, and what a revocation needs of it."""

    jti: str
    user_id: str
    client_id: str
    expires_at: datetime


def _is_named(row: type[RevokedTokenRow | RevokedPrincipalRow], kinds: str) -> ColumnElement[bool]:
    """Whether its id is in the parameter with the name of its kind."""
    return or_(
        *(
            and_(row.kind == kind, row.id.in_(bindparam(kind, expanding=True)))
            for kind in kinds.split()
        )
    )


# Built once: these run with every exchange.
_TOKEN = (RevokedTokenRow.kind, RevokedTokenRow.id, RevokedTokenRow.expires_at)
_PRINCIPAL = (RevokedPrincipalRow.kind, RevokedPrincipalRow.id, RevokedPrincipalRow.not_after)
_ABOUT = union_all(
    select(*_TOKEN, RevokedTokenRow.expires_at).where(_is_named(RevokedTokenRow, "jti sid")),
    select(*_PRINCIPAL, OWN_UNTIL).where(_is_named(RevokedPrincipalRow, "sub client_id aud")),
)


def entries_about(connection: Connection, tokens: Collection[TokenIdentity]) -> Iterable[FeedEntry]:
    """The entries, according to the database, that name one of the tokens."""
    names = {
        "jti": {each.jti for each in tokens},
        "sid": {each.sid for each in tokens if each.sid is not None},
        "sub": {each.subject for each in tokens},
        "client_id": {each.client_id for each in tokens},
        "aud": {each.audience for each in tokens},
    }
    rows = connection.execute(_ABOUT, {kind: list(ids) for kind, ids in names.items()})
    return (FeedEntry(*row) for row in rows)


def own_audience(connection: Connection) -> str:
    """The id of the issuer's own audience."""
    return connection.execute(select(DeploymentRow.issuer)).scalar_one()


_REVOKED_KEYS = select(SigningKeyRow.kid).where(
    SigningKeyRow.kid.in_(bindparam("kids", expanding=True)), SigningKeyRow.revoked_at.is_not(None)
)


def revoked_keys(connection: Connection, kids: Collection[str]) -> set[str]:
    """The ids of `kids` that are revoked, according to the database."""
    return {*connection.execute(_REVOKED_KEYS, {"kids": list(kids)}).scalars()}


class RevocationStore(Statements):
    """The revocations, within one transaction."""

    def state(self) -> FeedState:
        """The feed's row as this transaction sees it."""
        return read_feed_state(self.session)

    def begin_change(self, now: datetime) -> int:
        """Lock the feed's row, set its time to at least `now`; the number of the new change.

        Call it before anything is written: since the row is locked until the commit, a reader
        that sees this number sees all changes up to it.
        """
        later = case((RevocationFeedRow.issued_at < now, now), else_=RevocationFeedRow.issued_at)
        moved = update(RevocationFeedRow).values(count=RevocationFeedRow.count + 1, issued_at=later)
        return self.session.scalars(moved.returning(RevocationFeedRow.count)).one()

    def advance_time(self, now: datetime, *, older_than: datetime) -> None:
        """Set the time of the feed to `now`, once, if it is at or before `older_than`."""
        due = update(RevocationFeedRow).where(RevocationFeedRow.issued_at <= older_than)
        self.session.execute(due.values(issued_at=now))

    def add_tokens(
        self, kind: str, expirations: Mapping[str, datetime], change: int, **whose: str
    ) -> None:
        """Add tokens by `jti` or `sid`, of `client_id` and `subject`; the later expiry counts."""
        rows = [
            {"kind": kind, "id": each, "expires_at": expires_at, "change": change, **whose}
            for each, expires_at in expirations.items()
        ]
        for part in in_parts(rows):
            adding = insert_into(self.session, RevokedTokenRow).values(part)
            later = {name: adding.excluded[name] for name in ("expires_at", "change")}
            self.session.execute(
                adding.on_conflict_do_update(
                    index_elements=["kind", "id"],
                    set_=later,
                    where=adding.excluded.expires_at > RevokedTokenRow.expires_at,
                )
            )

    def listed(self, kind: str, ids: Iterable[str]) -> set[str]:
        """The ids among `ids` that are listed already."""
        query = select(RevokedTokenRow.id).where(RevokedTokenRow.kind == kind)
        return {*self.among(query, RevokedTokenRow.id, ids)}

    def listed_for(self, client_id: str, subject: str) -> Listed:
        """How many are listed, including expired ones that are not deleted yet."""
        counted = select(func.count()).select_from(RevokedTokenRow)
        of_client = counted.where(RevokedTokenRow.client_id == client_id)
        of_subject = of_client.where(RevokedTokenRow.subject == subject)
        three = (each.scalar_subquery() for each in (counted, of_client, of_subject))
        return Listed(*self.session.execute(select(*three)).one())

    def with_entry(self, kind: str, ids: Iterable[str]) -> set[str]:
        """The principals of this kind that have an entry already. Entries only move forward."""
        query = select(RevokedPrincipalRow.id).where(RevokedPrincipalRow.kind == kind, _IS_LISTED)
        return {*self.among(query, RevokedPrincipalRow.id, ids)}

    def principal_bytes(self) -> int:
        """The size of all entries of users, clients and audiences in the feed, as JSON."""
        size = func.sum(func.length(RevokedPrincipalRow.id) + ENTRY_BYTES)
        query = select(func.coalesce(size, 0)).where(_IS_LISTED)
        return int(self.session.scalars(query).one())

    def add_principals(
        self, principals: Iterable[RevokedPrincipal], **later: datetime | int
    ) -> None:
        """Add entries with all their columns. Those of an existing entry only move forward."""
        row = RevokedPrincipalRow
        before = {name: getattr(row, name) for name in later} | {"own_not_after": OWN_UNTIL}
        own = {"own_change": later["change"], "again_at": None}
        for part in in_parts({**asdict(each), **later, **own} for each in principals):
            adding = insert_into(self.session, row).values(part)
            moved = {
                name: case((adding.excluded[name] > had, adding.excluded[name]), else_=had)
                for name, had in before.items()
            } | {name: adding.excluded[name] for name in own}
            self.session.execute(
                adding.on_conflict_do_update(index_elements=["kind", "id"], set_=moved)
            )

    def has_ended(self, user_id: str, at: datetime) -> bool:
        """Whether refresh tokens of the user have ended, and access tokens issued until then."""
        row = RevokedPrincipalRow
        entry = (row.kind == "sub", row.id == user_id)
        return self.has(*entry, row.families_before > 0, row.not_after >= at)

    def postpone(
        self,
        principals: Iterable[RevokedPrincipal],
        between: tuple[datetime, datetime],
        to: datetime,
    ) -> set[RevokedPrincipal]:
        """Revoke again at `to` the principals whose entry names a second `between` these two.

        Gives these. One that was to be revoked again earlier stays so.
        """
        row, found = RevokedPrincipalRow, set()
        later = func.coalesce(row.again_at, literal(to, row.again_at.type))
        recent = update(row).where(row.not_after > between[0], row.not_after < between[1])
        for kind, some in groupby(sorted(principals, key=_KIND), _KIND):
            for part in in_parts(each.id for each in some):
                which = recent.where(row.kind == kind, row.id.in_(part)).values(again_at=later)
                postponed = self.session.scalars(which.returning(row.id))
                found |= {RevokedPrincipal(kind, each) for each in postponed}
        return found

    def postponed(self, now: datetime, limit: int) -> list[RevokedPrincipal]:
        """Principals that are to be revoked again by now, the longest due first."""
        row = RevokedPrincipalRow
        query = select(row.kind, row.id).where(row.again_at <= now).order_by(row.again_at)
        return [RevokedPrincipal(*each) for each in self.session.execute(query.limit(limit))]

    def is_for_own_audience(self, client_id: str) -> bool:
        """Whether the client may get tokens for the issuer's own audience."""
        row, own = ClientAudienceRow, select(DeploymentRow.issuer).scalar_subquery()
        return self.has(row.client_id == client_id, row.audience_id == own)

    def may_have_tokens(self, user_ids: Iterable[str]) -> set[str]:
        """The users among these who can sign in, or are signed in.

        The others have no token: whatever ends the last way to sign in revokes what it gave.
        """
        others = (PasskeyRow, IdentityRow, SignInSessionRow, RefreshFamilyRow)
        columns = [(row.user_id, true()) for row in others]
        found: set[str] = set()
        for column, condition in [(UserRow.id, UserRow.password_hash.is_not(None)), *columns]:
            found.update(self.among(select(column).where(condition).distinct(), column, user_ids))
        return found

    def entries(self, since: int = 0) -> Iterable[FeedEntry]:
        """What was revoked after change `since`."""
        tokens = select(*_TOKEN, RevokedTokenRow.expires_at).where(RevokedTokenRow.change > since)
        principals = select(*_PRINCIPAL, OWN_UNTIL).where(RevokedPrincipalRow.change > since)
        return (
            FeedEntry(*row) for query in (tokens, principals) for row in self.session.execute(query)
        )

    def exchanged_for(self, jtis: Iterable[str], most: int) -> list[ExchangedToken] | None:
        """The tokens that were exchanged for one of these, directly or one after the other.

        None if there are more than `most`, of which no more are read.
        """
        found: list[ExchangedToken] = []
        for part in in_parts(jtis):
            tokens = self._read_exchanged(
                most - len(found), ExchangedTokenRow.subject_jti.in_(part)
            )
            if tokens is None:
                return None
            found += tokens
        return found

    def exchanged_for_any(
        self, kind: str, name: str, most: int, *, since: datetime | None = None
    ) -> list[ExchangedToken] | None:
        """The tokens exchanged for those of a `client_id`, `aud` or `kid`, issued after `since`."""
        later = [] if since is None else [ExchangedTokenRow.issued_at > since]
        return self._read_exchanged(most, _OF_SUBJECT[kind] == name, *later)

    def exchanged_through(
        self, user_id: str, client_id: str, most: int
    ) -> list[ExchangedToken] | None:
        """Tokens of the user that the client got by exchange, or others in exchange for its own.

        With those that were exchanged for them in turn. None if there are more than `most`.
        """
        row = ExchangedTokenRow
        took_part = or_(row.client_id == client_id, row.subject_client == client_id)
        return self._read_exchanged(most, row.user_id == user_id, took_part)

    def _read_exchanged(
        self, most: int, *which: ColumnElement[bool]
    ) -> list[ExchangedToken] | None:
        """These, and what was exchanged for them, in any number of steps."""
        row = ExchangedTokenRow
        columns = select(row.jti, row.user_id, row.client_id, row.expires_at)
        first = columns.where(*which).cte("exchanged", recursive=True)
        found = first.union(columns.join(first, row.subject_jti == first.c.jti))
        rows = self.session.execute(select(found).limit(most + 1)).all()
        return [ExchangedToken(*each) for each in rows] if len(rows) <= most else None

    def users_of_exchanged(self, jtis: Iterable[str]) -> set[str]:
        """The users of tokens that were exchanged for these."""
        row = ExchangedTokenRow
        parts = (row.subject_jti.in_(part) for part in in_parts(jtis))
        queries = (select(row.user_id).where(part).distinct() for part in parts)
        return {each for query in queries for each in self.session.scalars(query)}

    def exchanging_clients(self, kind: str, name: str) -> set[str]:
        """The clients that got the tokens of `exchanged_for_any`."""
        return self._clients(_OF_SUBJECT[kind] == name)

    def with_later_clients(self, client_ids: Iterable[str]) -> set[str]:
        """These, and the clients that exchanged tokens of them, directly or of one another."""
        found: set[str] = set()
        new = {*client_ids}
        while new:
            found |= new
            parts = (ExchangedTokenRow.subject_client.in_(part) for part in in_parts(new))
            new = {each for part in parts for each in self._clients(part)} - found
        return found

    def _clients(self, which: ColumnElement[bool]) -> set[str]:
        return {*self.session.scalars(select(ExchangedTokenRow.client_id).where(which).distinct())}

    def delete_expired(self, expired_at: datetime) -> int:
        """Delete some entries and exchanged tokens that had expired by then; how many."""
        return sum(
            delete_some(self.session, table, table.expires_at <= expired_at)
            for table in (RevokedTokenRow, RevokedPrincipalRow, ExchangedTokenRow)
        )
