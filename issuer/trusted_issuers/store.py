"""Trusted issuers in SQL, and the clients that trust them."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

from sqlalchemy import ColumnElement, Text, cast, select

from issuer.authority.store import has_rights_at
from issuer.database.store import Store
from issuer.database.tables import ClientRow, TrustedIssuerRow


class TrustedIssuerStore(Store[TrustedIssuerRow]):
    kind = "trusted issuer"
    row = TrustedIssuerRow
    searched = (TrustedIssuerRow.id,)

    def clients_of(self, issuer_id: str) -> Sequence[ClientRow]:
        """The clients with a trust that names it."""
        return self._trusting(issuer_id)

    def _trusting(self, issuer_id: str, *conditions: ColumnElement[bool]) -> Sequence[ClientRow]:
        query = select(ClientRow).where(_may_name(issuer_id), *conditions)
        return [row for row in self.session.scalars(query) if _name(row.trusts, issuer_id)]

    def ids_of_clients_of(self, issuer_id: str, limit: int) -> list[str]:
        """The first by id of these clients."""
        columns = select(ClientRow.client_id, ClientRow.trusts).where(_may_name(issuer_id))
        rows = self.session.execute(columns.order_by(ClientRow.client_id))
        return [*islice((row.client_id for row in rows if _name(row.trusts, issuer_id)), limit)]

    def is_trusted_by_privileged(self, issuer_id: str, own_audience: str) -> bool:
        """Whether a client with rights at the issuer itself relies on it."""
        return bool(self._trusting(issuer_id, has_rights_at(own_audience)))

    def with_issuer(self, issuer: str, limit: int) -> Sequence[TrustedIssuerRow]:
        """The first by id that are for this `iss`."""
        query = select(TrustedIssuerRow).where(TrustedIssuerRow.issuer == issuer)
        return self.session.scalars(query.order_by(TrustedIssuerRow.id).limit(limit)).all()


def _may_name(issuer_id: str) -> ColumnElement[bool]:
    """A condition on clients, of which few have trusts: `_name` decides."""
    return cast(ClientRow.trusts, Text).contains(f'"{issuer_id}"', autoescape=True)


def _name(trusts: Iterable[Mapping[str, Any]], issuer_id: str) -> bool:
    return any(each["issuer"] == issuer_id for each in trusts)
