"""What commands share: options, the layout of help, `--json`, paged lists, input files."""

import functools
import inspect
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from copy import copy
from enum import EnumType
from inspect import Parameter, Signature
from pathlib import Path
from typing import Annotated, Any, Final, TypeAlias, TypeVar, get_args, get_origin

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup
from typer.models import ParameterInfo

from issuer.errors import IssuerError
from issuer.files import reason_of, write_private

Run = TypeVar("Run", bound=Callable[..., None])
Complete: TypeAlias = Callable[[str], list[str]]

NOTHING: Final = object()  # an option set to nothing: null in the JSON
MAX_BYTES = 5 * 1024 * 1024

wants_json: ContextVar[bool] = ContextVar("wants_json", default=False)


def flag(name: str, text: str) -> Any:
    """An option without a value, in an annotation or in place of a default."""
    return typer.Option(name, help=text)


def option(
    metavar: str, text: str, *names: str, complete: Complete | None = None, **more: Any
) -> Any:
    """An option with a value. Its name is that of the parameter, unless `names` has others."""
    return typer.Option(*names, metavar=metavar, help=text, autocompletion=complete, **more)


def argument(metavar: str, text: str, complete: Complete | None = None) -> Any:
    """An argument."""
    return typer.Argument(metavar=metavar, help=text, autocompletion=complete)


_JSON = Annotated[bool, flag("--json", "Print JSON, and nothing else on standard output.")]


class _Readable:
    """A command whose help fits any width.

    Paragraphs are wrapped at the width of the terminal, and examples begin with `$`. Arguments and
    flags show no type, options the name of their value.
    """

    def __init__(self, *arguments: Any, help: str | None = None, **more: Any) -> None:  # noqa: A002
        super().__init__(*arguments, **more, help=help and _wrapped_anywhere(help))  # type: ignore[call-arg]

    def parse_args(self, context: Any, arguments: list[str]) -> list[str]:
        words = list(arguments)  # they are taken out
        given = {word.partition("=")[0] for word in words}
        for each in self.params:  # type: ignore[attr-defined]
            if len(names := [name for name in each.opts if name in given]) > 1:
                raise typer.BadParameter(f"give either {' or '.join(names)}")
        try:
            parsed: list[str] = super().parse_args(context, arguments)  # type: ignore[misc]
        except Exception as error:
            if "extra argument" in (message := getattr(error, "message", "")):
                error.message = f"{message}.{self._meant(words)}"  # type: ignore[attr-defined]
            raise
        return parsed

    def format_help(self, context: Any, formatter: Any) -> None:
        """Second names of options, such as `--enabled`, are in the text: a column cuts others."""
        from typer import rich_utils  # noqa: PLC0415 - 5.1 MB

        rich_utils.STYLE_OPTIONS_TABLE_PADDING = (0, 1, 0, 0)  # type: ignore[assignment]
        shown = copy(self)
        shown.params = [_in_one_column(each) for each in self.params]  # type: ignore[attr-defined]
        super(_Readable, shown).format_help(context, formatter)  # type: ignore[misc]

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


def _in_one_column(parameter: Any) -> Any:
    if not parameter.secondary_opts:
        return parameter
    shown = copy(parameter)
    shown.help = f"{parameter.help} Opposite: {', '.join(parameter.secondary_opts)}."
    shown.secondary_opts = []
    return shown


class _Command(_Readable, TyperCommand):
    pass


class CommandGroup(_Readable, TyperGroup):
    """A group of commands."""


class CommandApp(typer.Typer):
    """Gives its commands the option `--json`, as the last one unless they declare `as_json`."""

    def command(
        self,
        *arguments: Any,
        parameters: Mapping[str, Any] | None = None,
        own_json: bool = False,
        **more: Any,
    ) -> Callable[[Run], Run]:
        """`parameters` are arguments and options by name, in place of those in the signature.

        With `own_json` the function is registered as it is.
        """
        add = super().command(*arguments, **{"cls": _Command, **more})

        def decorate(run: Run) -> Run:
            add(run if own_json else _with_json(run, parameters))
            return run

        return decorate

    def callback(self, *arguments: Any, **more: Any) -> Callable[[Run], Run]:
        add = super().callback(*arguments, **{"cls": self.info.cls, **more})

        def decorate(run: Run) -> Run:
            add(_with_json(run) if more.get("invoke_without_command") else run)
            return run

        return decorate


def _with_json(
    run: Callable[..., None], annotations: Mapping[str, Any] | None = None
) -> Callable[..., None]:
    """The command as Typer reads it from a signature, with `--json`."""
    declared = inspect.signature(run).parameters
    if annotations is None:
        annotations = {name: _annotation(each) for name, each in declared.items()}
    annotations = {**annotations, "as_json": annotations.get("as_json", _JSON)}

    @functools.wraps(run)
    def command(*, as_json: bool, **values: Any) -> None:
        wants_json.set(as_json)
        run(**values)

    command.__annotations__ = annotations
    command.__signature__ = Signature(  # type: ignore[attr-defined]
        [
            Parameter(
                name,
                Parameter.KEYWORD_ONLY,
                default=_default(declared.get(name), annotation),
                annotation=annotation,
            )
            for name, annotation in annotations.items()
        ]
    )
    return command


def _annotation(parameter: Parameter) -> Any:
    """An option that stands in place of a default belongs to the type."""
    if isinstance(parameter.default, ParameterInfo):
        return Annotated[parameter.annotation, parameter.default]
    return parameter.annotation


def _default(parameter: Parameter | None, annotation: Any) -> object:
    """Without one, a flag is off, what may be None is left out, and anything else is required."""
    default = parameter.default if parameter else Parameter.empty
    if default is not Parameter.empty and not isinstance(default, ParameterInfo):
        return default
    kind = get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation
    if kind is bool:
        return False
    return None if kind is Any or type(None) in get_args(kind) else Parameter.empty


def _wrapped_anywhere(text: str) -> str:
    paragraphs = inspect.cleandoc(text).split("\n\n")
    return "\n\n".join(
        "\n".join(f"$ {line.strip()}" for line in paragraph.splitlines())
        if paragraph.startswith("  ")
        else " ".join(paragraph.split())
        for paragraph in paragraphs
    )


def new_app(summary: str | None = None, **more: Any) -> CommandApp:
    """A command, or a group of commands with its `summary`."""
    common: dict[str, Any] = {
        "cls": CommandGroup,
        "no_args_is_help": True,
        "add_completion": False,
        "rich_markup_mode": "rich",
        "pretty_exceptions_enable": False,
        "context_settings": {"help_option_names": ["-h", "--help"]},
    }
    if summary is not None:
        common["help"] = summary
    return CommandApp(**common | more)


def given(**members: object) -> dict[str, object]:
    """The members that are set, as the admin API takes them; '' in a list is left out."""
    return {name: _member(value) for name, value in members.items() if value is not None}


def _member(value: object) -> object:
    if isinstance(value, list):
        return [item for item in value if item != ""]
    return None if value is NOTHING else value


def write_file(path: Path, text: str) -> None:
    """Write a file of mode 0600; `IssuerError` if that fails."""
    try:
        write_private(path, text)
    except (OSError, ValueError) as error:
        raise IssuerError(f"{path} cannot be written: {reason_of(error)}.") from None


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
