"""Trusted issuers in SQL, and the clients that trust them."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import Any

from sqlalchemy import ColumnElement, Text, and_, cast, literal, select

from issuer.database.store import Store, in_parts
from issuer.database.tables import ClientRow, TrustedIssuerRow


class TrustedIssuerStore(Store[TrustedIssuerRow]):
    kind = "trusted issuer"
    row = TrustedIssuerRow
    searched = (TrustedIssuerRow.id,)

    def clients_of(self, issuer_id: str) -> Sequence[ClientRow]:
        """The clients with a trust that names it."""
        query = select(ClientRow).where(_may_name(issuer_id))
        return [row for row in self.session.scalars(query) if _name(row.trusts, issuer_id)]

    def ids_of_clients_of(self, issuer_id: str, limit: int) -> list[str]:
        """The first by id of these clients."""
        columns = select(ClientRow.client_id, ClientRow.trusts).where(_may_name(issuer_id))
        # In parts: most of what follows the first ones is never read.
        query = columns.order_by(ClientRow.client_id).execution_options(yield_per=limit)
        with self.session.execute(query) as rows:
            named = (row.client_id for row in rows if _name(row.trusts, issuer_id))
            return [*islice(named, limit)]

    def is_trusted_by(self, issuer_id: str, client_ids: Iterable[str]) -> bool:
        """Whether one of the clients relies on it."""
        parts = (
            select(ClientRow.trusts).where(ClientRow.client_id.in_(ids))
            for ids in in_parts(client_ids)
        )
        found = (trusts for query in parts for trusts in self.session.scalars(query))
        return any(_name(trusts, issuer_id) for trusts in found)

    def with_issuer(self, issuer: str, limit: int) -> Sequence[TrustedIssuerRow]:
        """The first by id that are for this `iss`."""
        query = select(TrustedIssuerRow).where(TrustedIssuerRow.issuer == issuer)
        return self.session.scalars(query.order_by(TrustedIssuerRow.id).limit(limit)).all()


def _may_name(issuer_id: str) -> ColumnElement[bool]:
    """A condition on clients, of which few have trusts and are in an index: `_name` decides."""
    trusts = cast(ClientRow.trusts, Text)
    has_trusts = trusts != literal("[]", literal_execute=True)
    return and_(has_trusts, trusts.contains(f'"{issuer_id}"', autoescape=True))


def _name(trusts: Iterable[Mapping[str, Any]], issuer_id: str) -> bool:
    return any(each["issuer"] == issuer_id for each in trusts)
