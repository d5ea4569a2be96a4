"""Changes to the table without the master key are detected."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Table, delete, insert, select, text, update
from sqlalchemy.event import listen

from issuer.audit.verification import AuditFinding
from issuer.database.tables import AuditCheckpointRow, AuditEventRow
from tests.audit.conftest import Recorded

EVENTS: Table = AuditEventRow.__table__
CHECKPOINTS: Table = AuditCheckpointRow.__table__
FAR = 1_000

Row = dict[str, Any]

OTHERWISE: dict[str, Callable[[Any], Any]] = {
    "at": lambda at: at.replace(microsecond=at.microsecond ^ 1),
    "actor": lambda actor: f"{actor}x",
    "action": lambda action: action.upper(),
    "target": lambda target: None if target else "x",
    "outcome": lambda _: "refused",
    "reason": lambda reason: "" if reason is None else None,
    "request_id": lambda request_id: f"{request_id} ",
    "address": lambda _: "::1",
    "count": lambda count: count + 1,
    "details": lambda details: {**details, "scope": "agents:admin"},
    "chain": lambda _: "f" * 32,
    "seq": lambda seq: seq + FAR,
    "hash": lambda hash_: bytes([hash_[0] ^ 1, *hash_[1:]]),
}


class Tamperer:
    """Changes the table, as with a database client."""

    def __init__(self, recorded: Recorded) -> None:
        self._engine = recorded.services.database.engine
        with self._engine.begin() as connection:
            query = select(EVENTS).order_by(EVENTS.c.id)
            self.rows: list[Row] = [dict(row) for row in connection.execute(query).mappings()]

    def do(self, *statements: Any) -> None:
        with self._engine.begin() as connection:
            for statement in statements:
                connection.execute(statement)

    def put(self, rows: Sequence[Row]) -> None:
        self.do(delete(EVENTS), *([insert(EVENTS).values(list(rows))] if rows else []))


@pytest.fixture
def table(recorded: Recorded) -> Tamperer:
    """Three servers and many changes, all of them under a checkpoint."""
    recorded.change("a", "b")
    recorded.server("1", "2", "3")
    recorded.services.audit.checkpoints.make()
    recorded.change("c")
    recorded.server("4", "5")
    recorded.server("6")
    recorded.change("d")
    recorded.services.audit.checkpoints.make()
    return Tamperer(recorded)


def successor(rows: Sequence[Row], row: Row) -> Row | None:
    """The row after it in its chain."""
    places = {(each["chain"], each["seq"]): each for each in rows}
    return places.get((row["chain"], row["seq"] + 1))


def finding(recorded: Recorded) -> AuditFinding:
    found = recorded.verify()
    assert not found.ok
    assert found.finding is not None
    return found.finding


def test_an_unchanged_audit_log_is_ok(recorded: Recorded, table: Tamperer):
    found = recorded.verify()
    assert (found.ok, found.finding, found.rows) == (True, None, len(table.rows))
    assert (found.chains, found.checkpoints, found.unanchored) == (4, 2, 0)
    recorded.change("later")
    recorded.server("7", "8")
    later = recorded.verify()
    assert (later.ok, later.unanchored, later.chains) == (True, 3, 5)


def test_a_change_in_any_column_is_found_at_its_row(recorded: Recorded, table: Tamperer):
    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(row=st.sampled_from(table.rows), column=st.sampled_from(sorted(OTHERWISE)))
    def changed(row: Row, column: str) -> None:
        value = OTHERWISE[column](row[column])
        here = EVENTS.c.id == row["id"]
        table.do(update(EVENTS).where(here).values({column: value}))
        assert finding(recorded).row == row["id"]
        table.do(update(EVENTS).where(here).values({column: row[column]}))

    changed()
    assert recorded.verify().ok


def test_a_removed_moved_or_inserted_row_is_found(recorded: Recorded, table: Tamperer):
    anywhere = st.sampled_from(table.rows)

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(how=st.sampled_from([removed, moved, swapped, put_there, cut_off]), data=st.data())
    def tampered(how: Callable[..., tuple[list[Row], set[int | None]]], data: Any) -> None:
        rows, where = how(table.rows, data.draw(anywhere), data.draw(anywhere))
        if rows == table.rows:
            return
        table.put(rows)
        assert finding(recorded).row in where
        table.put(table.rows)

    tampered()
    assert recorded.verify().ok


def removed(rows: list[Row], row: Row, _other: Row) -> tuple[list[Row], set[int | None]]:
    """Found at the row after it in its chain, or at the chain's new end."""
    left = [each for each in rows if each is not row]
    after = successor(rows, row)
    before = [each for each in left if each["chain"] == row["chain"]]
    return left, {after["id"] if after else (before[-1]["id"] if before else None)}


def moved(rows: list[Row], row: Row, _other: Row) -> tuple[list[Row], set[int | None]]:
    elsewhere = {**row, "id": rows[-1]["id"] + FAR}
    after = successor(rows, row)
    left = [each for each in rows if each is not row]
    return [*left, elsewhere], {after["id"] if after else elsewhere["id"]}


def swapped(rows: list[Row], row: Row, other: Row) -> tuple[list[Row], set[int | None]]:
    ids = {row["id"]: other["id"], other["id"]: row["id"]}
    mixed = [{**each, "id": ids.get(each["id"], each["id"])} for each in rows]
    mixed.sort(key=lambda each: each["id"])
    return mixed, {min(ids)}


def put_there(rows: list[Row], row: Row, other: Row) -> tuple[list[Row], set[int | None]]:
    """A copy of one row, as if it followed another's chain, or in a chain of its own."""
    chain = [each for each in rows if each["chain"] == other["chain"]]
    copy = {**row, "id": rows[-1]["id"] + 1, "chain": other["chain"], "seq": chain[-1]["seq"] + 1}
    if row is other:
        copy.update(chain="another", seq=1)
    return [*rows, copy], {copy["id"]}


def cut_off(rows: list[Row], row: Row, _other: Row) -> tuple[list[Row], set[int | None]]:
    left = [each for each in rows if each["id"] < row["id"]]
    ends = {each["chain"]: each["id"] for each in left}
    return left, {*ends.values(), None}


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_a_value_of_another_type_is_found(recorded: Recorded, table: Tamperer):
    """SQLite stores any value in any column."""
    row = table.rows[3]
    for column in ("actor", "at", "details", "chain", "seq", "hash", "count"):
        for value in ("CAST(x'ff' AS TEXT)", "x'ff00'", "1.5", "'x'"):
            change = f"UPDATE audit_events SET {column} = {value} WHERE id = {row['id']}"
            table.do(text(change))
            assert finding(recorded).row == row["id"]
            table.put(table.rows)


def test_rows_written_after_others_were_cut_off_are_found(recorded: Recorded, table: Tamperer):
    """The issuer itself continues the chain from the end that it finds."""
    changes = [row for row in table.rows if row["chain"] == "changes"]
    table.put([row for row in table.rows if row is not changes[-1]])
    recorded.change("e", "f")
    found = finding(recorded)
    assert found.seq == changes[-1]["seq"]
    assert "checkpoint 2" in found.what


def test_a_removed_chain_is_found(recorded: Recorded, table: Tamperer):
    chain = table.rows[-2]["chain"]
    table.put([row for row in table.rows if row["chain"] != chain])
    found = finding(recorded)
    assert (found.row, found.chain) == (None, chain)


def test_a_changed_removed_or_inserted_checkpoint_is_found(recorded: Recorded, table: Tamperer):
    recorded.change("e")
    recorded.services.audit.checkpoints.make()
    second, token = CHECKPOINTS.c.number == 2, CHECKPOINTS.c.token
    with recorded.services.database.engine.begin() as connection:
        row = dict(connection.execute(select(CHECKPOINTS).where(second)).mappings().one())
        first = connection.scalars(select(token).where(CHECKPOINTS.c.number == 1)).one()
    for statement in (
        update(CHECKPOINTS).where(second).values(token=row["token"][:-8] + "AAAAAAAA"),
        update(CHECKPOINTS).where(second).values(token=first),
        update(CHECKPOINTS).where(second).values(made_at=row["made_at"].replace(year=2020)),
        update(CHECKPOINTS).where(second).values(mac=bytes(32)),
        delete(CHECKPOINTS).where(second),
    ):
        table.do(statement)
        assert finding(recorded).checkpoint == 2
        table.do(delete(CHECKPOINTS).where(second), insert(CHECKPOINTS).values(row))
        assert recorded.verify().ok
    table.do(insert(CHECKPOINTS).values({**row, "number": 4}))
    assert finding(recorded).checkpoint == 4


def test_a_kept_checkpoint_shows_that_rows_and_checkpoints_were_cut_off(
    recorded: Recorded, table: Tamperer
):
    recorded.change("e")
    kept = recorded.services.audit.checkpoints.make()
    assert kept is not None
    last = Tamperer(recorded).rows[-1]
    table.do(
        delete(EVENTS).where(EVENTS.c.id == last["id"]),
        delete(CHECKPOINTS).where(CHECKPOINTS.c.number == 3),
    )
    assert recorded.verify().ok, "nothing in the database shows it"
    found = recorded.verify(kept).finding
    assert found is not None
    assert (found.chain, found.seq, found.checkpoint) == ("changes", last["seq"] - 1, 3)
    table.put([*table.rows, last])
    assert recorded.verify(kept).finding.checkpoint == 3


def test_a_kept_checkpoint_of_another_signer_is_refused(recorded: Recorded, table: Tamperer):
    recorded.services.audit.checkpoints.make()
    header = "eyJhbGciOiJub25lIn0"
    assert not recorded.verify(f"{header}.{header}.x").ok


@pytest.mark.parametrize("database_kind", ["postgresql"])
def test_the_time_zone_of_a_session_makes_no_difference(recorded: Recorded):
    engine = recorded.services.database.engine
    # As behind a pooler that ignores the connection options.
    listen(engine, "begin", lambda session: session.exec_driver_sql("SET TIME ZONE 'Asia/Tokyo'"))
    recorded.change("a")
    recorded.server("1")
    ours = [row for row in Tamperer(recorded).rows if row["target"] in {"a", "1"}]
    assert [row["at"] for row in ours] == [recorded.services.clock()] * 2
    assert recorded.verify().ok
