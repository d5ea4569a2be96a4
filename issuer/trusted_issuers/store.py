"""Trusted issuers in SQL, and the clients that trust them."""

from collections.abc import Sequence

from sqlalchemy import Text, cast, select

from issuer.database.store import Store
from issuer.database.tables import ClientRow, TrustedIssuerRow


class TrustedIssuerStore(Store[TrustedIssuerRow]):
    kind = "trusted issuer"
    row = TrustedIssuerRow
    searched = (TrustedIssuerRow.id,)

    def clients_of(self, issuer_id: str) -> Sequence[ClientRow]:
        """The clients with a trust that names it."""
        # Few clients have trusts: the text narrows it down, and the values decide.
        named = cast(ClientRow.trusts, Text).contains(f'"{issuer_id}"', autoescape=True)
        rows = self.session.scalars(select(ClientRow).where(named))
        return [row for row in rows if any(each["issuer"] == issuer_id for each in row.trusts)]

    def with_issuer(self, issuer: str) -> TrustedIssuerRow | None:
        """The first by id that is for this `iss`."""
        query = select(TrustedIssuerRow).where(TrustedIssuerRow.issuer == issuer)
        return self.session.scalars(query.order_by(TrustedIssuerRow.id).limit(1)).first()
