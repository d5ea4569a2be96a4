"""The table tests of this suite try every row."""

import logging

import pytest

from tests.rows import rows


def test_the_rows_of_two_tables_are_combined() -> None:
    tried: list[int] = []

    @rows("number", [1, 2, 3])
    @rows("factor", {"one": 1, "ten": 10})
    def check(number: int, factor: int) -> None:
        tried.append(number * factor)

    check()
    assert tried == [1, 10, 2, 20, 3, 30]


def test_the_error_names_every_row_that_fails() -> None:
    @rows(("text", "length"), {"right": ("a", 1), "wrong": ("b", 2), "no text": (None, 0)})
    def check(text: str, length: int) -> None:
        assert len(text) == length

    with pytest.raises(AssertionError, match="2 of 3 rows fail") as failed:
        check()
    assert "wrong: AssertionError(" in str(failed.value)
    assert "no text: TypeError(" in str(failed.value)
    assert "right" not in str(failed.value)


def test_a_row_that_is_not_refused_fails() -> None:
    @rows("text", ["1", "x"])
    def refused(text: str) -> None:
        with pytest.raises(ValueError, match="invalid literal"):
            int(text)

    with pytest.raises(AssertionError, match="1 of 2 rows fail:\n'1'"):
        refused()


def test_a_table_without_rows_is_refused() -> None:
    with pytest.raises(AssertionError, match="without rows"):
        rows("text", [])


@rows("message", ["a", "b"])
def test_each_row_has_a_log_of_its_own(message: str, caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("rows").warning(message)
    assert caplog.messages == [message]
