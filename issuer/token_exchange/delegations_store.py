"""The exchanged tokens of users that are accepted now, in SQL."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import and_, exists, func, or_, select

from issuer.database.store import Statements
from issuer.database.tables import ExchangedTokenRow, RevokedPrincipalRow, RevokedTokenRow

_OF_PRINCIPALS = (
    ("sub", ExchangedTokenRow.user_id),
    ("client_id", ExchangedTokenRow.client_id),
    ("aud", ExchangedTokenRow.audience_id),
)
_IS_REVOKED = or_(
    exists().where(
        or_(
            *(
                and_(RevokedTokenRow.kind == kind, RevokedTokenRow.id == column)
                for kind, column in (("jti", ExchangedTokenRow.jti), ("sid", ExchangedTokenRow.sid))
            )
        )
    ),
    exists().where(
        RevokedPrincipalRow.not_after >= ExchangedTokenRow.issued_at,
        or_(
            *(
                and_(RevokedPrincipalRow.kind == kind, RevokedPrincipalRow.id == column)
                for kind, column in _OF_PRINCIPALS
            )
        ),
    ),
)


class DelegationStore(Statements):
    """The exchanged tokens, within one transaction."""

    def of_user(self, user_id: str, now: datetime) -> Sequence[Mapping[str, Any]]:
        """The members of each `Delegation` of the user, of tokens that are accepted at `now`."""
        row = ExchangedTokenRow
        of = {
            "client_id": row.client_id,
            "audience": row.audience_id,
            "from_client": row.subject_client,
            "from_audience": row.subject_audience,
        }
        until = func.max(row.expires_at).label("expires_at")
        query = select(*(column.label(name) for name, column in of.items()), until)
        query = query.where(row.user_id == user_id, row.expires_at > now, ~_IS_REVOKED)
        grouped = query.group_by(*of.values()).order_by(*of.values())
        return [dict(each) for each in self.session.execute(grouped).mappings()]
