"""Draws the page about the tables from their models.

python -m tests.database.drawn_tables  writes docs/reference/tables.md
"""

from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Table
from sqlalchemy.orm import Mapper

from issuer.database.tables import Base

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "tables.md"
DIAGRAM = "```mermaid\n"


def page() -> str:
    """The whole page: its introduction as it is, a diagram, and a row for each table."""
    drawn = "\n".join(f"    {line}" for line in sorted(set(arrows())))
    rows = "\n".join(
        f"| `{table.name}` | {purpose}<br>{columns} |" for table, purpose, columns in described()
    )
    introduction, *_ = PAGE.read_text().partition(DIAGRAM)
    diagram = f"{DIAGRAM}flowchart LR\n{drawn}\n```\n\n"
    return f"{introduction}{diagram}| table | what a row is, and its columns |\n|---|---|\n{rows}\n"


def arrows() -> Iterator[str]:
    for table in Base.metadata.tables.values():
        for key in table.foreign_keys:
            yield f"{table.name} --> {key.column.table.name}"


def described() -> Iterator[tuple[Table, str, str]]:
    """Each table, the first sentence of its model, and its columns with the keys first."""
    for mapper in sorted(Base.registry.mappers, key=lambda each: each.local_table.description):
        table = mapper.local_table
        assert isinstance(table, Table)
        names = sorted(table.columns, key=lambda column: not column.primary_key)
        columns = ", ".join(f"**{c.name}**" if c.primary_key else c.name for c in names)
        yield table, first_sentence(mapper), columns


def first_sentence(mapper: Mapper[Base]) -> str:
    paragraph = " ".join((mapper.class_.__doc__ or "").split("\n\n")[0].split())
    return paragraph.replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page())
