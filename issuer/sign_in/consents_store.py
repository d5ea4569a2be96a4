"""Consents in SQL."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select

from issuer.database.store import Statements, rows_changed
from issuer.database.tables import ConsentRow
from issuer.fields.redirect_uris import MAX_REGISTERED, without_port
from issuer.scopes import covers


@dataclass(frozen=True, slots=True)
class AllowedAccess:
    """What a user allows a client that is answered at `redirect_uri`."""

    user_id: str
    client_id: str
    audience_id: str | None
    redirect_uri: str
    scopes: frozenset[str]
    openid_scopes: frozenset[str]


class ConsentStore(Statements):
    """The consents, within one transaction."""

    def includes(self, asked: AllowedAccess) -> bool:
        """Whether all of it was allowed before, with the same redirect URI."""
        row = self._find(asked)
        redirects = row.redirects if row is not None else None
        allowed = (redirects or {}).get(without_port(asked.redirect_uri))
        return (
            allowed is not None
            and asked.openid_scopes <= set(allowed["openid_scopes"])
            and all(covers(allowed["scopes"], scope) for scope in asked.scopes)
        )

    def of_user(self, user_id: str) -> Sequence[ConsentRow]:
        """The consents of the user, in order of client and audience."""
        row = ConsentRow
        query = select(row).where(row.user_id == user_id)
        return self.session.scalars(query.order_by(row.client_id, row.audience_id)).all()

    def add(self, allowed: AllowedAccess, now: datetime) -> None:
        """Add to what was allowed before. Callers hold the lock of a change: one at a time."""
        row = self._find(allowed)
        if row is None:
            row = ConsentRow(
                user_id=allowed.user_id,
                client_id=allowed.client_id,
                audience_id=allowed.audience_id,
                scopes=[],
                openid_scopes=[],
            )
            self.session.add(row)
        row.scopes = _union(allowed.scopes, row.scopes)
        row.openid_scopes = _union(allowed.openid_scopes, row.openid_scopes)
        row.redirects = _with(row.redirects or {}, allowed)
        row.granted_at = now
        self.session.flush()

    def delete(self, user_id: str, client_id: str) -> bool:
        """Whether there were any to delete."""
        row = ConsentRow
        of_client = delete(row).where(row.user_id == user_id, row.client_id == client_id)
        return rows_changed(self.session, of_client) > 0

    def _find(self, of: AllowedAccess) -> ConsentRow | None:
        row = ConsentRow
        return self.session.scalars(
            select(row).where(
                row.user_id == of.user_id,
                row.client_id == of.client_id,
                row.audience_id.is_not_distinct_from(of.audience_id),
            )
        ).one_or_none()


def _with(redirects: dict[str, Any], allowed: AllowedAccess) -> dict[str, Any]:
    """The redirect URI that was allowed last is the last; the first ones are forgotten."""
    uri = without_port(allowed.redirect_uri)
    earlier = dict(redirects)
    before = earlier.pop(uri, {"scopes": (), "openid_scopes": ()})
    kept = list(earlier.items())[1 - MAX_REGISTERED :]
    return {
        **dict(kept),
        uri: {
            "scopes": _union(allowed.scopes, before["scopes"]),
            "openid_scopes": _union(allowed.openid_scopes, before["openid_scopes"]),
        },
    }


def _union(some: frozenset[str], others: Iterable[str]) -> list[str]:
    return sorted(some.union(others))
