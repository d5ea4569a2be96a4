"""Clients and their secrets in SQL."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import or_, select, update
from sqlalchemy.orm import selectinload

from issuer.database.store import Store
from issuer.database.tables import ClientAudienceRow, ClientRow, ClientSecretRow


class ClientStore(Store[ClientRow]):
    kind = "client"
    row = ClientRow
    with_page = (selectinload(ClientRow.audiences),)

    def set_audiences(self, row: ClientRow, audience_ids: list[str]) -> None:
        """Allow the client to request tokens for exactly these."""
        existing = {each.audience_id: each for each in row.audiences}
        row.audiences = [
            existing.get(audience_id) or ClientAudienceRow(audience_id=audience_id)
            for audience_id in dict.fromkeys(audience_ids)
        ]

    def note_uses(self, uses: Mapping[str, tuple[datetime, str | None]]) -> None:
        """Uses by secret id; an older one never replaces a newer. The directory ignores them."""
        for secret_id, (at, address) in uses.items():
            self.session.execute(
                update(ClientSecretRow)
                .where(ClientSecretRow.id == secret_id)
                .where(
                    or_(ClientSecretRow.last_used_at.is_(None), ClientSecretRow.last_used_at < at)
                )
                .values(last_used_at=at, last_used_address=address)
            )

    def note_uses_of_clients(self, uses: Mapping[str, datetime]) -> None:
        """Uses by client id. The directory ignores them."""
        for client_id, at in uses.items():
            self.session.execute(
                update(ClientRow)
                .where(ClientRow.client_id == client_id)
                .where(or_(ClientRow.last_used_at.is_(None), ClientRow.last_used_at < at))
                .values(last_used_at=at)
            )

    def secrets_of(self, client_id: str) -> Sequence[ClientSecretRow]:
        """The client's secrets, oldest first."""
        query = select(ClientSecretRow).where(ClientSecretRow.client_id == client_id)
        return self.session.scalars(
            query.order_by(ClientSecretRow.created_at, ClientSecretRow.id)
        ).all()
