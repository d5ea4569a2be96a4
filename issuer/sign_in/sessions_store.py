"""Sessions in SQL: a person signed in at this issuer, in one browser."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import and_, delete, or_, select, update
from sqlalchemy.orm import aliased

from issuer.database.counts import read_feed_state
from issuer.database.store import MAX_DELETED, Statements, as_model, rows_changed
from issuer.database.tables import IdentityRow, RevokedPrincipalRow, TrustedIssuerRow, UserRow
from issuer.database.tables import SignInSessionRow as Row
from issuer.directory import UserRecord
from issuer.refresh_tokens import Lifetimes
from issuer.revocations.store import ended_since

SECOND_FACTOR_WITHIN = timedelta(minutes=10)
FRESH_FOR = timedelta(minutes=10)
_MAX_USER_AGENT = 255
HAS_ENDED = ended_since(Row.change, {"sub": Row.user_id})


class SignInSession(BaseModel):
    """`methods` are authentication methods (RFC 8176), used at `authenticated_at`.

    With `second_factor_due` the password was right, and nothing else is proven: such a session is
    good for the page that asks for the second factor only. `identity_id` is the account at a
    trusted issuer that was used, `provider_session` the `sid` of the session there, and
    `provider_sign_out` what signing out there needs, sealed.
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
    provider_sign_out: str | None = Field(None, exclude=True, repr=False)

    def is_active(self, lifetimes: Lifetimes, now: datetime) -> bool:
        """Whether it has not expired."""
        if self.second_factor_due:
            return now < self.created_at + SECOND_FACTOR_WITHIN
        return now < lifetimes.end(self.created_at, self.used_at)

    def is_fresh(self, user: UserRecord, now: datetime, within: timedelta = FRESH_FOR) -> bool:
        """Whether the sign-in is that recent, with a second factor if `user` has one.

        The password alone is not enough where that was added since, in another session.
        """
        is_whole = "mfa" in self.methods or not user.has_second_factor
        return is_whole and now - self.authenticated_at < within

    def continuing(self, earlier: "SignInSession") -> "SignInSession":
        """This sign-in as part of the `earlier` session, which still ends with its account."""
        kept = {"id": earlier.id, "created_at": earlier.created_at}
        if self.identity_id is None:
            kept["identity_id"] = earlier.identity_id
            kept["provider_session"] = earlier.provider_session
            kept["provider_sign_out"] = earlier.provider_sign_out
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
        self.session.add(Row(**_columns(session), **more))
        self.session.flush()

    def find(self, digest: bytes) -> SignInSession | None:
        return self._one(Row.digest == digest)

    def continued_session(self, session: SignInSession) -> SignInSession | None:
        """The session that its user goes on with after the second factor."""
        due = aliased(Row)
        earlier = select(due.continues).where(due.id == session.id).scalar_subquery()
        return self._one(Row.id == earlier)

    def get(self, user_id: str, session_id: str) -> SignInSession | None:
        return self._one(Row.id == session_id, Row.user_id == user_id)

    def of_user(self, user_id: str) -> list[SignInSession]:
        """The sessions of the user, newest first."""
        query = select(Row).where(Row.user_id == user_id, ~HAS_ENDED)
        rows = self.session.scalars(query.order_by(Row.created_at.desc(), Row.id))
        return [_read(each) for each in rows]

    def of_identities(self, identity_ids: Iterable[str]) -> list[SignInSession]:
        """The sessions that began with one of these accounts at a trusted issuer."""
        query = select(Row).where(~HAS_ENDED)
        return [_read(each) for each in self.among(query, Row.identity_id, identity_ids)]

    def at_provider(
        self, issuer_id: str, provider_session: str, subject: str | None = None
    ) -> list[SignInSession]:
        """The sessions that began in a session at the trusted issuer; of one account, if named."""
        query = select(Row).join(IdentityRow, IdentityRow.id == Row.identity_id)
        query = query.where(IdentityRow.issuer_id == issuer_id, ~HAS_ENDED)
        query = query.where(Row.provider_session == provider_session)
        if subject is not None:
            query = query.where(IdentityRow.subject == subject)
        return [_read(each) for each in self.session.scalars(query)]

    def has_identity(self, identity_id: str, user_id: str) -> bool:
        """Whether the user still signs in with that account, and at that trusted issuer."""
        row, issuer = IdentityRow, TrustedIssuerRow
        is_theirs = and_(row.id == identity_id, row.user_id == user_id)
        return self.has(is_theirs, row.issuer_id == issuer.id, ~issuer.disabled)

    def is_at(self, session: SignInSession, issuer_id: str) -> bool:
        """Whether the session began with an account at that trusted issuer."""
        row = IdentityRow
        return self.has(row.id == session.identity_id, row.issuer_id == issuer_id)

    def replace(self, session: SignInSession, digest: bytes) -> bool:
        """Give the session a new cookie and new values; False if it has ended."""
        same = update(Row).where(Row.id == session.id, Row.user_id == session.user_id, ~HAS_ENDED)
        return rows_changed(self.session, same.values(**_columns(session), digest=digest)) == 1

    def add_methods(self, session: SignInSession, methods: Iterable[str]) -> None:
        """Note further authentication methods; when the user signed in stays."""
        all_methods = [*dict.fromkeys([*session.methods, *methods])]
        same = update(Row).where(Row.id == session.id, Row.user_id == session.user_id, ~HAS_ENDED)
        self.session.execute(same.values(methods=all_methods))

    def note_use(self, session_id: str, now: datetime) -> None:
        self.session.execute(update(Row).where(Row.id == session_id).values(used_at=now))

    def delete(self, session_id: str) -> bool:
        """Whether there was one to delete."""
        return rows_changed(self.session, delete(Row).where(Row.id == session_id, ~HAS_ENDED)) == 1

    def is_user_unchanged(self, user_id: str, password_hash: str | None) -> bool:
        """Whether the user is enabled and has the same password, or still none."""
        same = UserRow.password_hash.is_not_distinct_from(password_hash)
        return self.has(UserRow.id == user_id, same, UserRow.disabled.is_(False))

    def delete_expired(self, lifetimes: Lifetimes, now: datetime) -> bool:
        """Delete some expired and some ended sessions; whether there may be more."""
        idle, longest = now - lifetimes.idle, now - lifetimes.longest
        expired = or_(Row.used_at <= idle, Row.created_at <= longest)
        queries = (select(Row.id).where(expired), _sessions_of_feed())
        ids = [each for query in queries for each in self.session.scalars(query.limit(MAX_DELETED))]
        if ids:
            self.session.execute(delete(Row).where(Row.id.in_(ids)))
        return len(ids) >= MAX_DELETED

    def _one(self, *which: Any) -> SignInSession | None:
        row = self.one(Row, *which, ~HAS_ENDED)
        return None if row is None else _read(row)


def _sessions_of_feed() -> Any:
    """From the few entries of the feed to their sessions: an index finds those."""
    entry = RevokedPrincipalRow
    of_user = (entry.kind == "sub") & (entry.id == Row.user_id)
    return select(Row.id).join(entry, of_user).where(entry.families_before > Row.change)


def _columns(session: SignInSession) -> dict[str, Any]:
    return {**dict(session), "methods": list(session.methods)}


def _read(row: Row) -> SignInSession:
    return as_model(SignInSession, row, methods=tuple(row.methods))
