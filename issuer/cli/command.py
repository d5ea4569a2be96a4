"""What commands share: the layout of help, members from options, paged lists, input files."""

import inspect
from collections.abc import Callable, Sequence
from enum import EnumType
from pathlib import Path
from typing import Any, Final

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup

from issuer.errors import IssuerError, NotFound
from issuer.files import reason_of

NOTHING: Final = object()  # an option set to nothing: null in the JSON
_PAGE = 500
MAX_BYTES = 5 * 1024 * 1024


class _Readable:
    """A command whose help fits any width.

    Paragraphs are wrapped at the width of the terminal, and examples begin with `$`. Arguments and
    flags show no type, options the name of their value.
    """

    def __init__(self, *arguments: Any, help: str | None = None, **more: Any) -> None:  # noqa: A002
        super().__init__(*arguments, **more, help=help and _wrapped_anywhere(help))  # type: ignore[call-arg]

    def parse_args(self, context: Any, arguments: list[str]) -> list[str]:
        words = list(arguments)  # they are taken out
        try:
            parsed: list[str] = super().parse_args(context, arguments)  # type: ignore[misc]
        except Exception as error:
            if "extra argument" in (message := getattr(error, "message", "")):
                error.message = f"{message}.{self._meant(words)}"  # type: ignore[attr-defined]
            raise
        return parsed

    def _meant(self, words: list[str]) -> str:
        """The option of which an argument is a value: `--alg RS256` for `rs256`."""
        wanted = [word.casefold() for word in words]
        for each in self.params:  # type: ignore[attr-defined]
            annotation = each.type_descriptor.annotation
            values: list[Any] = list(annotation) if isinstance(annotation, EnumType) else []
            for value in values:
                if str(value).casefold() in wanted:
                    return f" Did you mean {each.opts[0]} {value}?"
        return ""

    def get_params(self, context: Any) -> list[Any]:
        parameters: list[Any] = super().get_params(context)  # type: ignore[misc]
        for each in parameters:
            if isinstance(each, TyperArgument):
                each.display_type_rich = lambda **_: None  # type: ignore[method-assign]
            elif each.is_flag:
                each.metavar = ""
            elif each.metavar is None:
                each.metavar = "TEXT"
        return parameters


class _Command(_Readable, TyperCommand):
    pass


class Group(_Readable, TyperGroup):
    """A group of commands."""


class _App(typer.Typer):
    def command(self, *arguments: Any, **more: Any) -> Any:
        return super().command(*arguments, **{"cls": _Command, **more})

    def callback(self, *arguments: Any, **more: Any) -> Any:
        return super().callback(*arguments, **{"cls": self.info.cls, **more})


def _wrapped_anywhere(text: str) -> str:
    paragraphs = inspect.cleandoc(text).split("\n\n")
    return "\n\n".join(
        "\n".join(f"$ {line.strip()}" for line in paragraph.splitlines())
        if paragraph.startswith("  ")
        else " ".join(paragraph.split())
        for paragraph in paragraphs
    )


def new_app(summary: str | None = None, **more: Any) -> typer.Typer:
    """A command, or a group of commands with its `summary`."""
    common: dict[str, Any] = {
        "cls": Group,
        "no_args_is_help": True,
        "add_completion": False,
        "rich_markup_mode": "rich",
        "pretty_exceptions_enable": False,
        "context_settings": {"help_option_names": ["-h", "--help"]},
    }
    if summary is not None:
        common["help"] = summary
    return _App(**common | more)


def given(**members: object) -> dict[str, object]:
    """The members that are set, as the admin API takes them; '' in a list is left out."""
    return {name: _member(value) for name, value in members.items() if value is not None}


def _member(value: object) -> object:
    if isinstance(value, list):
        return [item for item in value if item != ""]
    return None if value is NOTHING else value


def given_patch(**members: object) -> dict[str, object]:
    """The options as a merge patch (RFC 7396); wrong usage if nothing is set."""
    if not (patch := given(**members)):
        raise typer.BadParameter("name a member to change, see --help")
    return patch


def adjusted(
    kind: str,
    current: Sequence[str],
    *,
    all_of_them: list[str] | None,
    more: list[str] | None,
    less: list[str] | None,
) -> list[str] | None:
    """The new list; None for no change. `NotFound` if an item to remove is not in it."""
    if not more and not less:
        return all_of_them
    if all_of_them is not None:
        raise typer.BadParameter(
            f"--{kind} replaces the list: use it without --add-{kind} and --remove-{kind}"
        )
    for item in less or []:
        if item not in current:
            raise NotFound(kind, item)
    return [item for item in [*current, *(more or [])] if item not in (less or [])]


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


def content_of(file: str | Path, max_bytes: int = MAX_BYTES) -> bytes:
    """The content of a file; `IssuerError` if it is larger than `max_bytes`, or unreadable."""
    content = beginning_of(file, max_bytes)
    if len(content) > max_bytes:
        raise IssuerError(f"{file} is larger than {max_bytes} bytes.")
    return content


def beginning_of(file: str | Path, max_bytes: int = MAX_BYTES) -> bytes:
    """The first `max_bytes` of a file, and one byte more if it is larger."""
    try:
        with Path(file).open("rb") as opened:
            return opened.read(max_bytes + 1)
    except (OSError, ValueError) as error:
        raise IssuerError(f"{file} cannot be read: {reason_of(error)}.") from None
