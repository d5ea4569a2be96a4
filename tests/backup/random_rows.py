"""Rows with random values for every table, whose foreign keys refer to rows that exist."""

from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Connection,
    Enum,
    Integer,
    LargeBinary,
    Table,
    delete,
    insert,
    select,
)

from issuer.database.tables import Base, Instant, JsonObject, Seconds, Words

MOST_ROWS = 4
# What a format could confuse: separators, escapes, NULL in COPY, ends of lines, scripts, emoji.
ALPHABET = "aZ0 '\"\\\t\n\r,;{}[]|%$N.-_éßЖ漢字🔑\u2028\ufeff"
DESPERATE = ["\\N", "\\.", "NULL", "", " ", "\\x00", "{}", "[", "'; --", "\r\n"]


def fill(connection: Connection, random: Random) -> None:
    """Replace the rows of every table."""
    tables = Base.metadata.sorted_tables
    for table in reversed(tables):
        connection.execute(delete(table))
    for table in tables:
        for number in range(random.randint(0, MOST_ROWS)):
            if row := random_row(connection, table, number, random):
                connection.execute(insert(table), row)


def everything(connection: Connection) -> dict[str, set[str]]:
    """All rows as Python has them, by table."""
    return {
        table.name: {
            repr([in_utc(value) for value in row]) for row in connection.execute(select(table))
        }
        for table in Base.metadata.sorted_tables
    }


def in_utc(value: Any) -> Any:
    return value.astimezone(UTC) if isinstance(value, datetime) else value


def random_row(
    connection: Connection, table: Table, number: int, random: Random
) -> dict[str, Any] | None:
    """None if a table that it must refer to is empty."""
    row = {}
    for column in table.columns:
        value = random_value(connection, column, number, random)
        if value is None and not column.nullable:
            return None
        row[column.name] = value
    return row


def random_value(connection: Connection, column: Column[Any], number: int, random: Random) -> Any:
    if column.foreign_keys:
        (key,) = column.foreign_keys
        values = sorted(connection.scalars(select(key.column)))
        # The number keeps rows unique, where they must be.
        return values[number] if number < len(values) else None
    if column.nullable and random.random() < 0.3:
        return None
    is_unique = column.primary_key or column.unique or "id" in column.name
    return value_of(column, random, number if is_unique else None)


def value_of(column: Column[Any], random: Random, unique: int | None) -> Any:  # noqa: PLR0911
    match column.type:
        case Instant():
            return datetime(2000, 1, 1, tzinfo=UTC) + timedelta(
                microseconds=random.getrandbits(50) if unique is None else unique
            )
        case Seconds():
            return timedelta(seconds=random.getrandbits(30))
        case Words():
            return random.sample(list(column.type._words), 2)
        case Enum():
            return random.choice(list(column.type.enum_class))
        case JsonObject() | JSON():
            return {text(random, 20): [random.random(), None, True, text(random, 20)]}
        case LargeBinary():
            return bytes([*([] if unique is None else [unique]), *random.randbytes(20)])
        case Boolean():
            return random.random() < 0.5
        case Integer():
            return random.getrandbits(31) if unique is None else unique + 1
        case _:
            length = getattr(column.type, "length", None) or 60
            return text(random, min(length, 60), "" if unique is None else str(unique))


def text(random: Random, length: int, beginning: str = "") -> str:
    if random.random() < 0.2:
        chosen = random.choice(DESPERATE)
    else:
        chosen = "".join(random.choices(ALPHABET, k=random.randint(0, length)))
    return (beginning + chosen)[:length]
