"""What the stores have in common: find by key, list in order of key, add, delete; ids.

Ids of users and clients are unique across both, ignoring case.
"""

import re
import string
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from functools import cache
from itertools import islice
from operator import gt, lt
from random import Random
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast, get_origin

import sqlalchemy as sa
from pydantic import BaseModel
from sqlalchemy.dialects import sqlite
from sqlalchemy.orm import InstrumentedAttribute, Session
from sqlalchemy.orm.attributes import flag_modified
from sqlalchemy.sql.base import ExecutableOption

from issuer.database.tables import Base, PrincipalRow, Versioned
from issuer.errors import AlreadyExists, NotFound
from issuer.fields.ids import fold_id
from issuer.fields.letters import alike, plain_form
from issuer.fields.secret_text import random_characters

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_ID_ALPHABET = string.ascii_lowercase + string.digits
_ID_CHARACTERS = 20
_AFTER_ALL = "\U0010ffff"
_IN_A_STATEMENT = MAX_DELETED = 1_000
_PAGE = 500
# Of a list: as many rows take a fraction of a second, to search or to sort without an index.
LOOKED_AT, MOST_SORTED = 200_000, 10_000
_LONGEST_PATTERN = 40
# With a filter, which may look other tables up for each row.
FILTERED = 10_000

T = TypeVar("T")
Row = TypeVar("Row", bound=Versioned)
Model = TypeVar("Model", bound=BaseModel)
Found = TypeVar("Found")
Record = TypeVar("Record", bound="DataclassInstance")


def insert_into(within: Session | sa.Connection, table: type[Base]) -> Any:
    """An INSERT with `ON CONFLICT`: equal in both dialects, but SQLAlchemy has a class for each."""
    bind = within.get_bind() if isinstance(within, Session) else within
    if bind.dialect.name == "sqlite":
        return sqlite.insert(table)
    from sqlalchemy.dialects import postgresql  # noqa: PLC0415 - 2.3 MB

    return postgresql.insert(table)


def insert_new(session: Session, table: type[Base], values: Mapping[str, Any]) -> bool:
    """Insert a row, unless there is one with the same key; whether it was inserted."""
    adding = insert_into(session, table).values(values).on_conflict_do_nothing()
    return session.execute(adding.returning(*sa.inspect(table).primary_key)).first() is not None


def rows_changed(session: Session, statement: Any) -> int:
    """Execute an UPDATE or a DELETE; how many rows it changed."""
    return cast(sa.CursorResult[Any], session.execute(statement)).rowcount


def delete_some(session: Session, table: type[Base], is_over: sa.ColumnElement[bool]) -> int:
    """Delete at most `MAX_DELETED` rows, so that other writers do not wait long; how many."""
    key = sa.inspect(table).primary_key
    some = sa.select(*key).where(is_over).limit(MAX_DELETED)
    return rows_changed(session, sa.delete(table).where(sa.tuple_(*key).in_(some), is_over))


def new_id(prefix: str, random: Random) -> str:
    """A new id: a hundred random bits, in lower case, in which ids are compared."""
    return prefix + random_characters(random, _ID_CHARACTERS, _ID_ALPHABET)


def claim_id(session: Session, principal_id: str, kind: str) -> None:
    """Claim the id for a `kind`; `AlreadyExists` if it is taken."""
    folded_id = fold_id(principal_id)
    if taken := session.get(PrincipalRow, folded_id):
        raise AlreadyExists(taken.kind, principal_id)
    session.add(PrincipalRow(folded_id=folded_id, kind=kind))
    session.flush()


def release_id(session: Session, principal_id: str) -> None:
    """Free the id and delete its role assignments, so that a new owner does not get them."""
    session.delete(session.get_one(PrincipalRow, fold_id(principal_id)))
    session.flush()


def is_key(text: str) -> bool:
    """Whether it can be a key: all are printable ASCII. PostgreSQL raises an error for NUL."""
    return text.isascii() and text.isprintable()


def in_parts(values: Iterable[T]) -> Iterator[list[T]]:
    """The values in lists, none longer than what one statement may name."""
    left = iter(values)
    while part := list(islice(left, _IN_A_STATEMENT)):
        yield part


@dataclass(frozen=True, slots=True)
class ListQuery:
    """A page of a list: rows that have `search` in a text, sorted by the member `sort`.

    It begins after the row of the key `after`. An unknown `sort` is the usual one. `only` those
    that the filter of this name lets through, if there is one.
    """

    limit: int
    search: str = ""
    sort: str = ""
    descending: bool = False
    after: str | None = None
    only: str = ""


@dataclass(frozen=True, slots=True)
class ListPart(Generic[Found]):
    """`next` is the key after which the next page begins, if there is one.

    So many rows were `looked_at` where a search ends before the last one. The list can be sorted by
    the members `sortable`, the usual one first. It has `total` rows, not counted beyond
    `MOST_SORTED`.
    """

    items: Sequence[Found]
    next: str | None = None
    looked_at: int | None = None
    sortable: Sequence[str] = ()
    total: int = 0


def every(
    page: Callable[[str | None, int], Sequence[Any]], key: str, limit: int | None
) -> list[Any]:
    """All items of a collection in order of `key`, or the first `limit`; read page by page."""
    items: list[Any] = []
    while limit is None or len(items) < limit:
        size = _PAGE if limit is None else min(_PAGE, limit - len(items))
        batch = page(getattr(items[-1], key) if items else None, size)
        items += batch
        if len(batch) < size:
            break
    return items


class Statements:
    """Statements within one transaction."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def has(self, *conditions: sa.ColumnElement[bool]) -> bool:
        """Whether there is a row that meets the conditions."""
        return self.session.scalars(sa.select(sa.exists().where(*conditions))).one()

    def one(self, row: type[T], *conditions: sa.ColumnElement[bool]) -> T | None:
        """The only row that meets the conditions, if there is one."""
        return self.session.scalars(sa.select(row).where(*conditions)).one_or_none()

    def among(self, query: sa.Select[T], column: Any, values: Iterable[str]) -> Iterator[T]:
        """What the query gives where `column` has one of the values; a query for each part."""
        for part in in_parts(values):
            yield from self.session.scalars(query.where(column.in_(part)))


class Store(Statements, Generic[Row]):
    """The rows of one table, within one transaction."""

    kind: str
    row: type[Row]
    # What a page loads as well, so that it takes the same few queries however long it is.
    with_page: Sequence[ExecutableOption] = ()
    # Columns with an index, in which texts are compared byte by byte; the first identifies a row.
    searched: Sequence[InstrumentedAttribute[str]] = ()
    # What lists can be sorted by, by member; none is null. The first, by default the key, is unique
    # and has an index.
    sorted_by: Mapping[str, Any] = {}
    # Other texts in which a list is searched.
    also_searched: Sequence[Any] = ()
    # Which rows a list can be narrowed to, by name: a condition at that time.
    filters: Mapping[str, Callable[[datetime], sa.ColumnElement[bool]]] = {}
    # Filters that name a few rows by an index: all of these are looked at.
    few: Collection[str] = ()

    def find(self, key: str) -> Row | None:
        """The row of exactly this key, if there is one."""
        return self.session.get(self.row, key) if is_key(key) else None

    def get(self, key: str) -> Row:
        """The row of exactly this key; `NotFound` otherwise."""
        if (row := self.find(key)) is None:
            raise NotFound(self.kind, key)
        return row

    def page(self, after: str | None, limit: int, *, descending: bool = False) -> Sequence[Row]:
        """At most `limit` rows whose keys follow `after`, in order of key."""
        (key,) = sa.inspect(self.row).primary_key
        query = sa.select(self.row).order_by(key.desc() if descending else key)
        if after is not None:
            query = query.where(key < after if descending else key > after)
        return self.session.scalars(query.limit(limit).options(*self.with_page)).all()

    def in_text_order(self, limit: int) -> Iterator[Sequence[Row]]:
        """All rows, at most `limit` at once, in an order that is the same on each database."""
        column = self.searched[0] if self.searched else self._key
        query = sa.select(self.row).order_by(column).limit(limit).options(*self.with_page)
        rows = self.session.scalars(query).all()
        while rows:
            yield rows
            last = getattr(rows[-1], str(column.key))
            rows = self.session.scalars(query.where(column > last)).all()

    def search(
        self, prefixes: Sequence[str], limit: int, *only: sa.ColumnElement[bool]
    ) -> list[Row]:
        """Rows of which a searched column begins with its prefix: at most `limit` for each."""
        found: dict[Any, Row] = {}
        for column, prefix in zip(self.searched, prefixes, strict=True):
            within = begins_with(column, prefix)
            query = sa.select(self.row).where(within, *only).order_by(column).limit(limit)
            for row in self.session.scalars(query.options(*self.with_page)):
                found[sa.inspect(row).identity] = row
        return list(found.values())

    def listed(
        self, asked: ListQuery, prefixes: Sequence[str], *only: sa.ColumnElement[bool]
    ) -> ListPart[Row]:
        """A page of a list. `prefixes` are the searched text as each searched column has it.

        Very many rows are sorted in the usual order alone. A search in that order looks at
        `LOOKED_AT` rows, and `only` those that meet a condition are looked for among `FILTERED`;
        the next page looks further. Rows of which a searched column begins with the text are found
        at once, on the first page.
        """
        total = self.count(MOST_SORTED)
        usual, *others = self._orders
        sortable = [usual, *others] if total < MOST_SORTED else [usual]
        by = asked.sort if asked.sort in sortable else usual
        order = [self._orders[name] for name in dict.fromkeys([by, usual])]
        query = self._sort(sa.select(self.row).options(*self.with_page), order, asked).where(*only)
        if asked.search or (only and asked.only not in self.few):
            part = self._search_part(query, order, asked, prefixes, only)
        else:
            part = self._part(query, asked)
        return replace(part, sortable=sortable, total=total)

    def _search_part(
        self,
        query: Any,
        order: Sequence[Any],
        asked: ListQuery,
        prefixes: Sequence[str],
        only: Sequence[sa.ColumnElement[bool]],
    ) -> ListPart[Row]:
        by, folded = order[0], zip(self.searched, prefixes, strict=True)
        if asked.search:
            found = [self._contains(column, text) for column, text in folded]
            found += [self._is_like(column, asked.search) for column in self.also_searched]
            query = query.where(sa.or_(*found))
        most = FILTERED if only else LOOKED_AT
        last = self._last_looked_at(by, asked, most) if len(order) == 1 else None
        if last is None:
            return self._part(query, asked)
        value, key = last
        part = self._part(query.where(by >= value if asked.descending else by <= value), asked)
        if asked.search and asked.after is None:
            begin = self.search(prefixes, asked.limit, *only)
            part = replace(part, items=list(dict.fromkeys([*begin, *part.items])))
        return part if part.next is not None else replace(part, next=key, looked_at=most)

    @property
    def _key(self) -> sa.ColumnElement[Any]:
        return cast(sa.ColumnElement[Any], sa.inspect(self.row).primary_key[0])

    @property
    def _orders(self) -> Mapping[str, Any]:
        return self.sorted_by or {str(self._key.key): self._key}

    def _sort(self, query: Any, order: Sequence[Any], asked: ListQuery) -> Any:
        """In that order, from the row on that follows the one of the key `after`."""
        start = None
        if asked.after is not None:
            of_row = sa.select(*order).where(self._key == asked.after)
            start = self.session.execute(of_row).first()
        if start is not None:
            follows = lt if asked.descending else gt
            condition = follows(order[-1], start[-1])
            for column, value in zip(order[:-1], start[:-1], strict=True):
                condition = sa.or_(follows(column, value), sa.and_(column == value, condition))
            query = query.where(condition)
        return query.order_by(*(each.desc() if asked.descending else each for each in order))

    def _last_looked_at(self, usual: Any, asked: ListQuery, most: int) -> Any:
        """Value and key of the last row that a search looks at; None if it looks at all."""
        rows = self._sort(sa.select(usual, self._key), [usual], asked)
        return self.session.execute(rows.offset(most - 1).limit(1)).first()

    def _part(self, query: Any, asked: ListQuery) -> ListPart[Row]:
        rows = self.session.scalars(query.limit(asked.limit + 1)).all()
        if len(rows) <= asked.limit:
            return ListPart(rows)
        return ListPart(rows[: asked.limit], sa.inspect(rows[asked.limit - 1]).identity[0])

    def _contains(self, column: Any, text: str) -> sa.ColumnElement[bool]:
        """In any case; on SQLite, LIKE ignores that of ASCII letters by itself."""
        is_sqlite = self.session.get_bind().dialect.name == "sqlite"
        contains = column.contains if is_sqlite else column.icontains
        return cast(sa.ColumnElement[bool], contains(text, autoescape=True))

    def _is_like(self, column: Any, text: str) -> sa.ColumnElement[bool]:
        """In any case and with any accents.

        Texts without any, which most are, are compared by LIKE, and others with a set for each
        letter, which takes ten times as long: it needs no column that has them folded.
        """
        text = unicodedata.normalize("NFC", text)
        condition = self._contains(column, plain_form(text))
        if len(text) > _LONGEST_PATTERN:
            return condition | self._contains(column, text)
        sets = [*map(alike, text)]
        if self.session.get_bind().dialect.name == "sqlite":
            pattern = "".join(each if each == "^" else f"[{each}]" for each in sets)
            is_like = column.op("GLOB")(f"*{pattern}*")
            octets = sa.func.length(sa.cast(column, sa.LargeBinary))
        else:
            pattern = "".join(f"[{each}]" if len(each) > 1 else re.escape(each) for each in sets)
            is_like, octets = column.regexp_match(pattern), sa.func.octet_length(column)
        return condition | sa.and_(octets > sa.func.length(column), is_like)

    def identified(self, ids: Iterable[str]) -> list[Row]:
        """The rows that these identify, in the first searched column; a query for each part."""
        query = sa.select(self.row).options(*self.with_page)
        return [*self.among(query, self.searched[0], dict.fromkeys(ids))]

    def count(self, most: int) -> int:
        """The number of rows, but no more than `most`: counting millions takes long."""
        some = sa.select(1).select_from(self.row).limit(most).subquery()
        return self.session.scalar(sa.select(sa.func.count()).select_from(some)) or 0

    def add(self, row: Row) -> None:
        self.session.add(row)
        self.session.flush()

    def changed(self, row: Row, now: datetime) -> None:
        """Give the row a new version, also when only related rows have changed."""
        row.updated_at = now
        flag_modified(row, "updated_at")
        self.session.flush()

    def delete(self, row: Row) -> None:
        self.session.delete(row)
        self.session.flush()


def kept_or_new(
    rows: Iterable[T], new: Callable[..., T], values: Iterable[tuple[Any, ...]], *columns: str
) -> list[T]:
    """For each of the `values` of these columns the row that has it, or a `new` one."""
    kept = {tuple(getattr(row, each) for each in columns): row for row in rows}
    return [
        kept.get(value) or new(**dict(zip(columns, value, strict=True)))
        for value in dict.fromkeys(values)
    ]


def begins_with(column: InstrumentedAttribute[str], prefix: str) -> sa.ColumnElement[bool]:
    """By the index of a column in which texts are compared byte by byte."""
    return sa.and_(column >= prefix, column < prefix + _AFTER_ALL)


def as_model(model: type[Model], row: Base | Versioned, **others: Any) -> Model:
    """`row` as `model`, without validation: values were checked before they were stored."""
    return model.model_construct(**_columns(row, model.model_fields, others))


def as_record(record: type[Record], row: object, **others: Any) -> Record:
    """`row` as a dataclass of its columns and `others`; lists become frozensets or tuples."""
    kinds = _kinds_of_lists(record)
    values = _columns(row, kinds, others)
    return record(
        **{
            name: kinds[name](value) if isinstance(value, list) else value
            for name, value in values.items()
        }
    )


@cache
def _kinds_of_lists(record: type[Any]) -> dict[str, type[Any]]:
    is_set = {each.name: get_origin(each.type) is frozenset for each in fields(record)}
    return {name: frozenset if each else tuple for name, each in is_set.items()}


def _columns(row: object, names: Iterable[str], others: dict[str, Any]) -> dict[str, Any]:
    return {name: getattr(row, name) for name in names if name not in others} | others
