"""Conditions on rows, for callers that filter and sort by attributes of their choice (SCIM)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import ge, gt, le, lt
from typing import Any, TypeAlias, TypeVar

import sqlalchemy as sa

from issuer.database.store import Store
from issuer.database.tables import Versioned

Condition: TypeAlias = sa.ColumnElement[bool]
Value: TypeAlias = str | int | float | bool | datetime | None
NEVER: Condition = sa.false()
ALWAYS: Condition = sa.true()

Row = TypeVar("Row", bound=Versioned)

_ORDERED: dict[str, Callable[[Any, Any], Condition]] = {
    each.__name__: each for each in (gt, ge, lt, le)
}


@dataclass(frozen=True)
class Attribute:
    """A column or an expression, and how its texts are compared.

    `fold` makes the form in which the column has them; `any_case`: ignoring the case, on SQLite
    that of ASCII letters.
    """

    column: Any
    fold: Callable[[str], str] | None = None
    any_case: bool = False

    @classmethod
    def within(cls, column: Any, *path: str | int) -> "Attribute":
        """A text in a column of JSON."""
        return cls(sa.type_coerce(column, sa.JSON)[path].as_string(), any_case=True)

    @classmethod
    def constant(cls, text: str) -> "Attribute":
        """A text that every row has."""
        return cls(sa.literal(text))

    def meets(self, operator: str, value: Value = None) -> Condition:
        """`operator` is one of RFC 7644 §3.4.2.2, of which `co`, `sw` and `ew` take a text.

        Never NULL, so that conditions can be negated. Not by LIKE, which ignores the case on SQLite
        alone.
        """
        column, against = self._operands(value)
        size = sa.func.length(against)
        match operator:
            case "pr":
                meets = column.is_not(None)
                if isinstance(column.type, sa.String):
                    meets = sa.and_(meets, column != "")
            case "eq" if value is None:
                meets = column.is_(None)
            case "eq":  # in a form that an index serves
                return sa.and_(column.is_not(None), column == against)
            case "ne":
                return ~self.meets("eq", value)
            case _ if value is None:
                meets = sa.false()
            case "co":
                is_inside = sa.func.replace(column, against, "") != column
                meets = sa.and_(column.is_not(None), (size == 0) | is_inside)
            case "sw":
                meets = sa.func.substr(column, 1, size) == against
            case "ew":
                is_long_enough = sa.func.length(column) >= size
                end = sa.func.substr(column, sa.func.length(column) - size + 1)
                is_at_end = sa.and_(is_long_enough, end == against)
                meets = sa.and_(column.is_not(None), (size == 0) | is_at_end)
            case _:
                return sa.and_(column.is_not(None), _ORDERED[operator](column, against))
        return sa.func.coalesce(meets, sa.false())

    @property
    def order(self) -> Any:
        """By what rows are sorted."""
        return sa.func.lower(self.column) if self.any_case else self.column

    def _operands(self, value: Value) -> tuple[Any, Any]:
        if not isinstance(value, str):
            return self.column, value
        against = self.fold(value) if self.fold else value
        if self.any_case:  # both by the database, so that equal texts are always equal
            return sa.func.lower(self.column), sa.func.lower(against)
        return self.column, against


@dataclass(frozen=True)
class RowQuery:
    """Which rows are asked for: all without a `condition`, in order of key without `sort_by`.

    Rows without a value to sort by are last, or first if `descending`.
    """

    condition: Condition | None
    sort_by: Attribute | None
    offset: int
    limit: int
    descending: bool = False


class FilteredStore(Store[Row]):
    """A store whose rows can be found by any condition, and counted."""

    def matching(self, asked: RowQuery) -> tuple[Sequence[Row], int]:
        """The rows that are asked for, and how many meet the condition in all."""
        query = sa.select(self.row)
        if asked.condition is not None:
            query = query.where(asked.condition)
        found = query
        if asked.sort_by is not None:
            by = asked.sort_by.order
            for each in (by.is_(None), by):
                query = query.order_by(each.desc() if asked.descending else each)
        query = query.order_by(*sa.inspect(self.row).primary_key)
        query = query.offset(asked.offset).limit(asked.limit)
        rows = self.session.scalars(query.options(*self.with_page)).all()
        if len(rows) < asked.limit and (rows or not asked.offset):
            return rows, asked.offset + len(rows)  # the last ones
        count = found.with_only_columns(sa.func.count(), maintain_column_froms=True)
        return rows, self.session.scalar(count) or 0
