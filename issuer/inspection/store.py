"""The results of inspections in SQL."""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy import select

from issuer.database import Session
from issuer.database.store import in_parts
from issuer.database.tables import InspectionRow
from issuer.fields.text import escaped
from issuer.inspection.components import FAMILIES, Component, Components

_MAX_NAME = 100


def components_of(session: Session, audience_id: str) -> Components | None:
    """What the AgentOS of the audience consists of; None if it was never inspected."""
    row = session.get(InspectionRow, audience_id)
    return _components(row) if row else None


def components_at(session: Session, audience_ids: Iterable[str]) -> dict[str, Components]:
    """Those of the AgentOS of each of these audiences that was inspected, by audience."""
    query = select(InspectionRow)
    return {
        row.audience_id: _components(row)
        for part in in_parts(audience_ids)
        for row in session.scalars(query.where(InspectionRow.audience_id.in_(part)))
    }


def newest_components(session: Session, limit: int) -> list[Components]:
    """Those that were inspected last, in the order of their audiences."""
    query = select(InspectionRow).order_by(InspectionRow.inspected_at.desc()).limit(limit)
    found = [_components(row) for row in session.scalars(query)]
    return sorted(found, key=lambda each: each.audience_id)


def _components(row: InspectionRow) -> Components:
    families = {family: _family(row.components.get(family) or ()) for family in FAMILIES}
    return Components(row.audience_id, row.inspected_at, **families)


def _family(items: Iterable[Mapping[str, Any]]) -> tuple[Component, ...]:
    """By name. An AgentOS chooses its names, and so cannot reorder the words around them."""
    found = (Component(each["id"], _name(each)) for each in items)
    return tuple(sorted(found, key=lambda each: (each.name.casefold(), each.id)))


def _name(item: Mapping[str, Any]) -> str:
    name = escaped(str(item.get("name") or item["id"]))
    return name if len(name) <= _MAX_NAME else f"{name[:_MAX_NAME]}…"
