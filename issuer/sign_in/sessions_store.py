"""Sessions in SQL: a person signed in at this issuer, in one browser."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import and_, delete, exists, or_, select, update
from sqlalchemy.orm import aliased

from issuer.database.counts import read_feed_state
from issuer.database.store import MAX_DELETED, Statements, as_model, in_parts, rows_changed
from issuer.database.tables import (
    IdentityRow,
    RevokedPrincipalRow,
    SignInSessionRow,
    TrustedIssuerRow,
    UserRow,
)
from issuer.directory import UserRecord
from issuer.refresh_tokens import Lifetimes
from issuer.revocations.store import ended_since

SECOND_FACTOR_WITHIN = timedelta(minutes=10)
FRESH_FOR = timedelta(minutes=10)
_MAX_USER_AGENT = 255
HAS_ENDED = ended_since(SignInSessionRow.change, {"sub": SignInSessionRow.user_id})


class SignInSession(BaseModel):
    """`methods` are authentication methods (RFC 8176), used at `authenticated_at`.

    With `second_factor_due` the password was right, and nothing else is proven: such a session is
    good for the page that asks for the second factor only. `identity_id` is the account at a
    trusted issuer that was used, `provider_session` the `sid` of the session there.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    user_id: str
    created_at: datetime
    authenticated_at: datetime
    used_at: datetime
    methods: tuple[str, ...]
    address: str | None
    user_agent: str | None
    second_factor_due: bool = False
    identity_id: str | None = Field(None, exclude=True)
    provider_session: str | None = Field(None, exclude=True)

    def is_active(self, lifetimes: Lifetimes, now: datetime) -> bool:
        """Whether it has not expired."""
        if self.second_factor_due:
            return now < self.created_at + SECOND_FACTOR_WITHIN
        return now < lifetimes.end(self.created_at, self.used_at)

    def is_fresh(self, user: UserRecord, now: datetime) -> bool:
        """Whether the sign-in is of the last ten minutes, with a second factor if `user` has one.

        The password alone is not enough where that was added since.
        """
        is_whole = "mfa" in self.methods or not user.has_second_factor
        return is_whole and now - self.authenticated_at < FRESH_FOR

    def continuing(self, earlier: "SignInSession") -> "SignInSession":
        """A newer sign-in as part of the session that the browser had.

        One that began at a trusted issuer still ends with the account there.
        """
        kept = {"id": earlier.id, "created_at": earlier.created_at}
        if self.identity_id is None:
            kept |= {
                "identity_id": earlier.identity_id,
                "provider_session": earlier.provider_session,
            }
        return self.model_copy(update=kept)


def active(
    sessions: Iterable[SignInSession], lifetimes: Lifetimes, now: datetime
) -> list[SignInSession]:
    return [each for each in sessions if each.is_active(lifetimes, now)]


def bound_text(user_agent: str | None) -> str | None:
    """Text from outside, as both databases can keep it."""
    if user_agent is None:
        return None
    return "".join(c for c in user_agent if c.isprintable())[:_MAX_USER_AGENT]


class ListedSession(SignInSession):
    """A session of a user, with its authentication methods (RFC 8176), used at `authenticated_at`.

    With `second_factor_due` the password was right, and nothing else is proven. `trusted_issuer` is
    the one with an account at which it began.
    """

    trusted_issuer: str | None


class SessionStore(Statements):
    """The sessions that have not ended, within one transaction."""

    def add(self, session: SignInSession, digest: bytes, continues: str | None = None) -> None:
        change = read_feed_state(self.session).count
        more = {"digest": digest, "change": change, "continues": continues}
        self.session.add(SignInSessionRow(**_columns(session), **more))
        self.session.flush()

    def find(self, digest: bytes) -> SignInSession | None:
        """The session whose cookie has that digest."""
        return self._one(SignInSessionRow.digest == digest)

    def continued_session(self, session: SignInSession) -> SignInSession | None:
        """The session that its user goes on with after the second factor."""
        due = aliased(SignInSessionRow)
        earlier = select(due.continues).where(due.id == session.id).scalar_subquery()
        return self._one(SignInSessionRow.id == earlier)

    def get(self, user_id: str, session_id: str) -> SignInSession | None:
        row = SignInSessionRow
        return self._one(row.id == session_id, row.user_id == user_id)

    def of_user(self, user_id: str) -> list[SignInSession]:
        """The sessions of the user, newest first."""
        row = SignInSessionRow
        query = select(row).where(row.user_id == user_id, ~HAS_ENDED)
        rows = self.session.scalars(query.order_by(row.created_at.desc(), row.id))
        return [_read(each) for each in rows]

    def of_identities(self, identity_ids: Iterable[str]) -> list[SignInSession]:
        """The sessions that began with one of these accounts at a trusted issuer."""
        row = SignInSessionRow
        parts = (
            select(row).where(row.identity_id.in_(ids), ~HAS_ENDED)
            for ids in in_parts(identity_ids)
        )
        return [_read(each) for query in parts for each in self.session.scalars(query)]

    def at_provider(
        self, issuer_id: str, subject: str | None, provider_session: str | None
    ) -> list[SignInSession]:
        """The sessions of an account at the trusted issuer, of a session there, or of both."""
        row, identity = SignInSessionRow, IdentityRow
        query = select(row).join(identity, identity.id == row.identity_id)
        query = query.where(identity.issuer_id == issuer_id, ~HAS_ENDED)
        if subject is not None:
            query = query.where(identity.subject == subject)
        if provider_session is not None:
            query = query.where(row.provider_session == provider_session)
        return [_read(each) for each in self.session.scalars(query)]

    def has_identity(self, identity_id: str, user_id: str) -> bool:
        """Whether the user still signs in with that account, and at that trusted issuer."""
        row, issuer = IdentityRow, TrustedIssuerRow
        is_theirs = and_(row.id == identity_id, row.user_id == user_id)
        query = select(exists().where(is_theirs, row.issuer_id == issuer.id, ~issuer.disabled))
        return self.session.scalars(query).one()

    def is_at(self, session: SignInSession, issuer_id: str) -> bool:
        """Whether the session began with an account at that trusted issuer."""
        row = IdentityRow
        is_there = exists().where(row.id == session.identity_id, row.issuer_id == issuer_id)
        return self.session.scalars(select(is_there)).one()

    def replace(self, session: SignInSession, digest: bytes) -> bool:
        """Give the session a new cookie and new values; False if it has ended."""
        row = SignInSessionRow
        same = update(row).where(row.id == session.id, row.user_id == session.user_id, ~HAS_ENDED)
        return rows_changed(self.session, same.values(**_columns(session), digest=digest)) == 1

    def note_use(self, session_id: str, now: datetime) -> None:
        row = SignInSessionRow
        self.session.execute(update(row).where(row.id == session_id).values(used_at=now))

    def delete(self, session_id: str) -> bool:
        """Whether there was one to delete."""
        row = SignInSessionRow
        return rows_changed(self.session, delete(row).where(row.id == session_id, ~HAS_ENDED)) == 1

    def is_user_unchanged(self, user_id: str, password_hash: str | None) -> bool:
        """Whether the user is enabled and has the same password, or still none."""
        row = UserRow
        same = row.password_hash.is_not_distinct_from(password_hash)
        query = select(exists().where(row.id == user_id, same, row.disabled.is_(False)))
        return self.session.scalars(query).one()

    def delete_expired(self, lifetimes: Lifetimes, now: datetime) -> bool:
        """Delete some expired and some ended sessions; whether there may be more."""
        row = SignInSessionRow
        expired = or_(
            row.used_at <= now - lifetimes.idle, row.created_at <= now - lifetimes.longest
        )
        queries = (select(row.id).where(expired), _sessions_of_feed())
        ids = [each for query in queries for each in self.session.scalars(query.limit(MAX_DELETED))]
        if ids:
            self.session.execute(delete(row).where(row.id.in_(ids)))
        return len(ids) >= MAX_DELETED

    def _one(self, *which: Any) -> SignInSession | None:
        query = select(SignInSessionRow).where(*which, ~HAS_ENDED)
        row = self.session.scalars(query).one_or_none()
        return None if row is None else _read(row)


def _sessions_of_feed() -> Any:
    """From the few entries of the feed to their sessions: an index finds those."""
    row, entry = SignInSessionRow, RevokedPrincipalRow
    of_user = (entry.kind == "sub") & (entry.id == row.user_id)
    return select(row.id).join(entry, of_user).where(entry.families_before > row.change)


def _columns(session: SignInSession) -> dict[str, Any]:
    return {**dict(session), "methods": list(session.methods)}


def _read(row: SignInSessionRow) -> SignInSession:
    return as_model(SignInSession, row, methods=tuple(row.methods))
