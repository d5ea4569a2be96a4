"""Exchanged tokens in SQL. `RevocationStore` finds those that a revocation applies to."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, cast

from sqlalchemy import ColumnElement, Table, and_, exists, func, insert, or_, select

from issuer.database import Connection, Session
from issuer.database.store import Statements
from issuer.database.tables import ExchangedTokenRow as Row
from issuer.database.tables import RevokedPrincipalRow, RevokedTokenRow
from issuer.token_exchange.subject import Exchange

# Built once, and without rows of the ORM: it runs with every exchange.
_ADD = insert(cast(Table, Row.__table__))


def _named_by(entry: Any, **columns: Any) -> ColumnElement[bool]:
    """Whether a revocation is of one of these, each by the `kind` of such entries."""
    return or_(*(and_(entry.kind == kind, entry.id == column) for kind, column in columns.items()))


_OF_PRINCIPAL = {"sub": Row.user_id, "client_id": Row.client_id, "aud": Row.audience_id}
_IS_REVOKED = or_(
    exists().where(_named_by(RevokedTokenRow, jti=Row.jti, sid=Row.sid)),
    exists().where(
        RevokedPrincipalRow.not_after >= Row.issued_at,
        _named_by(RevokedPrincipalRow, **_OF_PRINCIPAL),
    ),
)


def add_exchanged(connection: Connection, exchanges: Iterable[Exchange]) -> None:
    """Store what a revocation or a consent may apply to, until the tokens expire."""
    connection.execute(
        _ADD,
        [
            {
                "jti": exchange.issued.jti,
                "user_id": exchange.issued.subject,
                "client_id": exchange.issued.client_id,
                "audience_id": exchange.issued.audience,
                "sid": exchange.issued.sid,
                "issued_at": exchange.issued.issued_at,
                "expires_at": exchange.issue.access_token.expires_at,
                "subject_jti": exchange.subject.token.jti,
                "subject_client": exchange.subject.token.client_id,
                "subject_audience": exchange.subject.token.audience,
                "subject_kid": exchange.subject.token.kid,
                "origin_client": exchange.subject.origin.client.client_id,
                "origin_audience": exchange.subject.origin.audience_id,
            }
            for exchange in exchanges
        ],
    )


def read_origins(session: Session, jtis: Collection[str]) -> dict[str, tuple[str, str]]:
    """Client and audience of the token with which the exchanges of each token began, by `jti`."""
    if not jtis:
        return {}
    query = select(Row.jti, Row.origin_client, Row.origin_audience).where(Row.jti.in_(jtis))
    return {jti: (client_id, audience_id) for jti, client_id, audience_id in session.execute(query)}


class DelegationStore(Statements):
    def of_user(self, user_id: str, now: datetime) -> Sequence[Mapping[str, Any]]:
        """The members of each `Delegation` of the user, of tokens that are accepted at `now`."""
        of = {"client_id": Row.client_id, "audience": Row.audience_id}
        of |= {"from_client": Row.subject_client, "from_audience": Row.subject_audience}
        until = func.max(Row.expires_at).label("expires_at")
        query = select(*(column.label(name) for name, column in of.items()), until)
        query = query.where(Row.user_id == user_id, Row.expires_at > now, ~_IS_REVOKED)
        grouped = query.group_by(*of.values()).order_by(*of.values())
        return [dict(each) for each in self.session.execute(grouped).mappings()]
