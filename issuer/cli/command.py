"""What commands share: how they look, what was given to them, and lists that are long."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import typer

from issuer.errors import NotFound

NOTHING: Final = object()  # was said to be nothing: null in the JSON
_PAGE = 500


def new_app(summary: str | None = None, **more: Any) -> typer.Typer:
    """A command, or a group of commands with its `summary`."""
    common: dict[str, Any] = {
        "no_args_is_help": True,
        "add_completion": False,
        "rich_markup_mode": "rich",
        "pretty_exceptions_enable": False,
        "context_settings": {"help_option_names": ["-h", "--help"]},
    }
    if summary is not None:
        common["help"] = summary
    return typer.Typer(**common | more)


def given(**members: object) -> dict[str, object]:
    """The members somebody named, as the admin API takes them; '' in a list is nobody."""
    return {name: _said(value) for name, value in members.items() if value is not None}


def _said(value: object) -> object:
    if isinstance(value, list):
        return [item for item in value if item != ""]
    return None if value is NOTHING else value


def given_patch(**members: object) -> dict[str, object]:
    """The same as a merge patch (RFC 7396); wrong usage if nothing was named."""
    if not (patch := given(**members)):
        raise typer.BadParameter("name something to change, see --help")
    return patch


def adjusted(
    kind: str,
    current: Sequence[str],
    *,
    all_of_them: list[str] | None,
    more: list[str] | None,
    less: list[str] | None,
) -> list[str] | None:
    """The new list; None if it stays. `NotFound` if there is no such one to remove."""
    if not more and not less:
        return all_of_them
    if all_of_them is not None:
        raise typer.BadParameter(f"--{kind} names them all: it goes with no --add, no --remove")
    for item in less or []:
        if item not in current:
            raise NotFound(kind, item)
    return [item for item in [*current, *(more or [])] if item not in (less or [])]


def every(
    page: Callable[[str | None, int], Sequence[Any]], key: str, limit: int | None
) -> list[Any]:
    """All that a room has, page by page in order of `key`; or the first `limit`."""
    found: list[Any] = []
    while limit is None or len(found) < limit:
        size = _PAGE if limit is None else min(_PAGE, limit - len(found))
        batch = page(getattr(found[-1], key) if found else None, size)
        found += batch
        if len(batch) < size:
            break
    return found
