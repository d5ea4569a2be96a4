"""Audiences in SQL."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import inspect, select, update
from sqlalchemy.orm import selectinload

from issuer.algorithms import AlgorithmInUse
from issuer.database.store import Store, in_parts
from issuer.database.tables import (
    AssignmentRow,
    AudienceResourceRow,
    AudienceRow,
    Base,
    ClientAudienceRow,
    ClientRow,
)
from issuer.vocabulary import SigningAlgorithm


class AudienceStore(Store[AudienceRow]):
    kind = "audience"
    row = AudienceRow
    searched = (AudienceRow.id,)
    with_page = (selectinload(AudienceRow.resources),)

    def set_resources(self, row: AudienceRow, resources: list[str]) -> None:
        """Requests may name the audience by exactly these."""
        existing = {each.resource: each for each in row.resources}
        row.resources = [
            existing.get(resource) or AudienceResourceRow(resource=resource)
            for resource in resources
        ]

    def named(self, name: str) -> AudienceRow | None:
        """The audience of which this is the id or a resource."""
        resource = self.session.get(AudienceResourceRow, name)
        return self.find(resource.audience_id if resource else name)

    def is_client(self, audience_id: str) -> bool:
        """Whether a client has this id."""
        return self.session.get(ClientRow, audience_id) is not None

    def users_of(self, audience_id: str, limit: int) -> list[str]:
        """Clients and assignments that name the audience, as text; at most `limit` of each kind."""
        clients = select(ClientAudienceRow.client_id).where(
            ClientAudienceRow.audience_id == audience_id
        )
        principals = select(AssignmentRow.folded_id).where(AssignmentRow.audience_id == audience_id)
        return [f"client {name}" for name in self.session.scalars(clients.limit(limit))] + [
            f"an assignment of {name}"
            for name in self.session.scalars(principals.distinct().limit(limit))
        ]

    def is_used_by(self, audience_id: str, client_ids: Iterable[str]) -> bool:
        """Whether one of the clients may request tokens for it."""
        query = select(ClientAudienceRow.client_id).where(
            ClientAudienceRow.audience_id == audience_id
        )
        parts = (query.where(ClientAudienceRow.client_id.in_(ids)) for ids in in_parts(client_ids))
        return any(self.session.scalar(each.limit(1)) is not None for each in parts)

    def release(self, audience_id: str) -> None:
        """Remove the audience from all clients, and its assignments."""
        for table in (ClientAudienceRow, AssignmentRow):
            for row in self.session.scalars(select(table).where(table.audience_id == audience_id)):
                self.session.delete(row)
        self.session.flush()

    def move(self, row: AudienceRow, audience_id: str) -> None:
        """Give the audience another id, and update every row that refers to it."""
        columns, own = inspect(AudienceRow).columns, AudienceRow.__table__.c.id
        self.add(AudienceRow(**{c.key: getattr(row, c.key) for c in columns} | {"id": audience_id}))
        for table in Base.metadata.tables.values():
            for column in [key.parent for key in table.foreign_keys if key.column is own]:
                naming = update(table).where(column == row.id)
                self.session.execute(naming.values({column.name: audience_id}))
        self.session.expire_all()
        self.delete(row)

    def algorithms_in_use(self, now: datetime) -> dict[SigningAlgorithm, datetime | None]:
        """Algorithms that verifiers may need at `now`, and until when; None means indefinitely."""
        columns = (AudienceRow.signing_alg, AudienceRow.previous_alg, AudienceRow.alg_changes_at)
        found: dict[SigningAlgorithm, datetime | None] = {}
        for row in self.session.execute(select(*columns).distinct()):
            for alg, until in AlgorithmInUse(*row).published(now).items():
                known = found.get(alg, until)
                found[alg] = max(known, until) if known and until else None
        return found
