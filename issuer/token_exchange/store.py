"""Exchanged tokens in SQL. `RevocationStore` finds those that a revocation applies to."""

from collections.abc import Collection, Iterable
from typing import cast

from sqlalchemy import Table, insert, select

from issuer.database import Connection, Session
from issuer.database.tables import ExchangedTokenRow
from issuer.token_exchange.subject import Exchange

# Built once, and without rows of the ORM: it runs with every exchange.
_ADD = insert(cast(Table, ExchangedTokenRow.__table__))


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
    row = ExchangedTokenRow
    query = select(row.jti, row.origin_client, row.origin_audience).where(row.jti.in_(jtis))
    return {jti: (client_id, audience_id) for jti, client_id, audience_id in session.execute(query)}
