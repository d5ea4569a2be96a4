"""The results of inspections in SQL."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import or_, select

from issuer.database.store import Statements, in_parts
from issuer.database.tables import AudienceRow, InspectionRow
from issuer.fields.text import escape
from issuer.inspection.components import FAMILIES, Component, Components, InspectionReport

_MAX_NAME = 100


class InspectionStore(Statements):
    """Within one transaction."""

    def last(self, audience_id: str) -> InspectionReport | None:
        """The last inspection of that AgentOS."""
        row = self.session.get(InspectionRow, audience_id)
        return _report(row) if row else None

    def of_each(self, audience_ids: Iterable[str]) -> dict[str, InspectionReport]:
        """By audience, the last inspections of those of these AgentOS that were inspected."""
        query = select(InspectionRow)
        return {
            row.audience_id: _report(row)
            for part in in_parts(audience_ids)
            for row in self.session.scalars(query.where(InspectionRow.audience_id.in_(part)))
        }

    def due(self, before: datetime, limit: int) -> list[tuple[str, str]]:
        """Audiences and URLs where nothing was inspected since `before`; the oldest first."""
        row, last = AudienceRow, InspectionRow
        is_due = or_(last.inspected_at.is_(None), last.inspected_at < before, last.url != row.url)
        query = select(row.id, row.url).outerjoin(last, last.audience_id == row.id)
        query = query.where(row.url.is_not(None), is_due)
        oldest_first = last.inspected_at.asc().nulls_first()
        rows = self.session.execute(query.order_by(oldest_first, row.id).limit(limit))
        return [(audience_id, url) for audience_id, url in rows if url]

    def replace(self, report: InspectionReport) -> None:
        """Store it in place of the one before, while nobody else does, or deletes the audience."""
        audience = select(AudienceRow.id).where(AudienceRow.id == report.audience)
        self.session.execute(audience.with_for_update(key_share=True))
        members = report.model_dump(mode="json", include={"components", "findings"})
        row = InspectionRow(
            audience_id=report.audience, url=report.url, inspected_at=report.inspected_at, **members
        )
        self.session.merge(row)
        self.session.flush()

    def components_of(self, audience_id: str) -> Components | None:
        """What the AgentOS of the audience consists of; None if it was never inspected."""
        row = self.session.get(InspectionRow, audience_id)
        return _components(row) if row else None

    def components_at(self, audience_ids: Iterable[str]) -> dict[str, Components]:
        """By audience, what the AgentOS that were inspected consist of, of these audiences."""
        query = select(InspectionRow)
        return {
            row.audience_id: _components(row)
            for part in in_parts(audience_ids)
            for row in self.session.scalars(query.where(InspectionRow.audience_id.in_(part)))
        }

    def newest_components(self, limit: int) -> list[Components]:
        """The components of the `limit` newest inspections, in the order of their audiences."""
        query = select(InspectionRow).order_by(InspectionRow.inspected_at.desc()).limit(limit)
        found = [_components(row) for row in self.session.scalars(query)]
        return sorted(found, key=lambda each: each.audience_id)


def _report(row: InspectionRow) -> InspectionReport:
    names = ("url", "inspected_at", "components", "findings")
    members = {"audience": row.audience_id, **{name: getattr(row, name) for name in names}}
    return InspectionReport.model_validate(members)


def _components(row: InspectionRow) -> Components:
    families = {family: _family(row.components.get(family) or ()) for family in FAMILIES}
    return Components(row.audience_id, row.inspected_at, **families)


def _family(items: Iterable[Mapping[str, Any]]) -> tuple[Component, ...]:
    """By name. An AgentOS chooses its names, and so cannot reorder the words around them."""
    found = (Component(each["id"], _name(each)) for each in items)
    return tuple(sorted(found, key=lambda each: (each.name.casefold(), each.id)))


def _name(item: Mapping[str, Any]) -> str:
    name = escape(str(item.get("name") or item["id"]))
    return name if len(name) <= _MAX_NAME else f"{name[:_MAX_NAME]}…"
