"""Audiences in SQL."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import ColumnElement, and_, func, inspect, or_, select, update
from sqlalchemy.orm import selectinload

from issuer.algorithms import AlgorithmInUse
from issuer.database.held_roles import is_live
from issuer.database.store import Store, in_parts, kept_or_new
from issuer.database.tables import (
    AssignmentRow,
    AudienceResourceRow,
    AudienceRow,
    Base,
    ClientActRuleRow,
    ClientAudienceRow,
    ClientRow,
    GroupRow,
    ProviderRoleRow,
)
from issuer.vocabulary import SigningAlgorithm


class AudienceStore(Store[AudienceRow]):
    kind = "audience"
    row = AudienceRow
    searched = (AudienceRow.id,)
    sorted_by = {"id": AudienceRow.id, "name": func.lower(AudienceRow.name)}
    also_searched = (AudienceRow.name,)
    with_page = (selectinload(AudienceRow.resources),)

    def set_resources(self, row: AudienceRow, resources: list[str]) -> None:
        """Requests may name the audience by exactly these."""
        names = ((each,) for each in resources)
        row.resources = kept_or_new(row.resources, AudienceResourceRow, names, "resource")

    def named(self, name: str) -> AudienceRow | None:
        """The audience of which this is the id or a resource."""
        resource = self.session.get(AudienceResourceRow, name)
        return self.find(resource.audience_id if resource else name)

    def ids_besides(self, audience_id: str, limit: int) -> list[str]:
        """The ids of the first other audiences."""
        query = select(AudienceRow.id).where(AudienceRow.id != audience_id)
        return [*self.session.scalars(query.order_by(AudienceRow.id).limit(limit))]

    def have_urls(self) -> bool:
        """Whether an audience has the URL of its AgentOS."""
        query = select(AudienceRow.id).where(AudienceRow.url.is_not(None)).limit(1)
        return self.session.scalar(query) is not None

    def is_client(self, audience_id: str) -> bool:
        """Whether a client has this id."""
        return self.session.get(ClientRow, audience_id) is not None

    def users_of(self, audience_id: str, now: datetime, limit: int) -> list[str]:
        """What names the audience and has not ended, as text; at most `limit` of each kind."""
        clients = select(ClientAudienceRow.client_id).where(
            ClientAudienceRow.audience_id == audience_id
        )
        assigned = and_(AssignmentRow.audience_id == audience_id, is_live(now))
        groups = select(GroupRow.name).join(
            AssignmentRow, AssignmentRow.folded_id == GroupRow.folded_id
        )
        is_group = select(GroupRow.id).where(GroupRow.folded_id == AssignmentRow.folded_id).exists()
        others = select(AssignmentRow.folded_id).where(assigned, ~is_group)
        mapped = select(ProviderRoleRow.issuer_id).where(ProviderRoleRow.audience_id == audience_id)
        acting = select(ClientActRuleRow.client_id).where(_names(audience_id)).distinct()
        return [
            text.format(name)
            for text, query in (
                ("client {}", clients),
                ("may_act of client {}", acting),
                ("an assignment of {}", others.distinct()),
                ("an assignment of group {}", groups.where(assigned).distinct()),
                ("trusted issuer {}", mapped.distinct()),
            )
            for name in self.session.scalars(query.limit(limit))
        ]

    def is_used_by(self, audience_id: str, client_ids: Iterable[str]) -> bool:
        """Whether one of the clients may request tokens for it, or acts for people from there."""
        ids, used = ClientAudienceRow.client_id, ClientAudienceRow.audience_id == audience_id
        acting = select(ClientActRuleRow.client_id).where(_names(audience_id))
        queries = [
            query
            for part in in_parts(client_ids)
            for query in (
                select(ids).where(used, ids.in_(part)),
                acting.where(ClientActRuleRow.client_id.in_(part)),
            )
        ]
        return any(self.session.scalar(each.limit(1)) is not None for each in queries)

    def release(self, audience_id: str) -> set[str]:
        """Remove the audience from all that use it; the clients that acted for people there."""
        for table in (ClientAudienceRow, AssignmentRow, ProviderRoleRow):
            for row in self.session.scalars(select(table).where(table.audience_id == audience_id)):
                self.session.delete(row)
        rules = self.session.scalars(select(ClientActRuleRow).where(_names(audience_id))).all()
        for rule in rules:
            self.session.delete(rule)
        self.session.flush()
        return {rule.client_id for rule in rules}

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


def _names(audience_id: str) -> ColumnElement[bool]:
    """A condition on rules: from or to this audience."""
    rule = ClientActRuleRow
    return or_(rule.from_audience == audience_id, rule.to_audience == audience_id)
