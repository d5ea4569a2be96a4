"""A rule that holds for each row of a table, as one test."""

from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from inspect import signature
from typing import Any

import pytest

Test = Callable[..., None]


def rows(names: str | tuple[str, ...], table: Iterable[Any]) -> Callable[[Test], Test]:
    """Like `pytest.mark.parametrize`, but all rows are one test and share its fixtures.

    Every row is tried, and the error names all that fail: by their keys, if the table is a
    mapping. `caplog` is cleared before each.
    """
    named = table.items() if isinstance(table, Mapping) else ((shown(row), row) for row in table)
    arguments = (names,) if isinstance(names, str) else names
    tried = [
        (name, dict(zip(arguments, [row] if isinstance(names, str) else row, strict=True)))
        for name, row in named
    ]
    assert tried, "A table without rows tests nothing."

    def decorate(test: Test) -> Test:
        @wraps(test)
        def try_all(*args: Any, **fixtures: Any) -> None:
            failed: dict[str, BaseException] = {}
            for name, row in tried:
                if "caplog" in fixtures:
                    fixtures["caplog"].clear()
                try:
                    test(*args, **fixtures, **row)
                except (Exception, pytest.fail.Exception) as error:
                    failed[name] = error
            if failed:
                reasons = "\n".join(f"{name}: {error!r}" for name, error in failed.items())
                summary = f"{len(failed)} of {len(tried)} rows fail:\n{reasons}"
                raise AssertionError(summary) from next(iter(failed.values()))

        old = signature(test)
        fixtures = [each for name, each in old.parameters.items() if name not in arguments]
        try_all.__signature__ = old.replace(parameters=fixtures)  # type: ignore[attr-defined]
        return try_all

    return decorate


def shown(row: object) -> str:
    text = ascii(row)
    return text if len(text) <= 100 else f"{text[:100]}…"
