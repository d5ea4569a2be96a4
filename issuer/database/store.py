"""What every room's store does alike: find by key, list in order of key, add, delete."""

from collections.abc import Sequence
from typing import Any, Generic, TypeVar

from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.orm import Session

from issuer.database.tables import Base
from issuer.errors import NotFound

Row = TypeVar("Row", bound=Base)
Model = TypeVar("Model", bound=BaseModel)


class Store(Generic[Row]):
    """The rows of one table, within one transaction."""

    kind: str
    row: type[Row]
    key: Any  # the mapped column that names a row

    def __init__(self, session: Session) -> None:
        self.session = session

    def find(self, key: str) -> Row | None:
        """The row of exactly this key, if there is one."""
        return self.session.get(self.row, key)

    def get(self, key: str) -> Row:
        """The row of exactly this key; `NotFound` otherwise."""
        if (row := self.find(key)) is None:
            raise NotFound(self.kind, key)
        return row

    def page(self, after: str | None, limit: int) -> Sequence[Row]:
        """At most `limit` rows whose keys follow `after`, in order of key."""
        query = select(self.row).order_by(self.key).limit(limit)
        if after is not None:
            query = query.where(self.key > after)
        return self.session.scalars(query).all()

    def add(self, row: Row) -> None:
        self.session.add(row)
        self.session.flush()

    def delete(self, row: Row) -> None:
        self.session.delete(row)
        self.session.flush()


def as_model(model: type[Model], row: Base, **others: Any) -> Model:
    """`row` as `model`: stored values were checked when they came in, and are not again."""
    stored: dict[str, Any] = {
        name: getattr(row, name) for name in model.model_fields if name not in others
    }
    return model.model_construct(**stored, **others)
