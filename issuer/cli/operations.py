"""The commands of operations on a resource, and of its parts: lists, what adds and what ends."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, cast

import typer
from pydantic import BaseModel

from issuer.cli import output
from issuer.cli.command import (
    CommandApp,
    Complete,
    argument,
    flag,
    given,
    new_app,
    wants_json,
)
from issuer.cli.confirming import Yes, confirming
from issuer.cli.members import argument_within, options_within
from issuer.cli.opening import changing, reading, suggesting
from issuer.cli.options import KEEPS, Limit
from issuer.composition import UnitOfWork
from issuer.errors import InvalidField
from issuer.fields.fields import Fields
from issuer.operations import Creation, Operation, PartOf


class OperationCommands:
    """Adds commands to the app of a resource type.

    `typed` is the argument that names a resource, which `find` reads; `example` is one.
    """

    def __init__(
        self, app: CommandApp, typed: Any, find: Callable[[UnitOfWork, str], Any], example: str
    ) -> None:
        self._app = app
        self._typed = typed
        self._find = find
        self._example = example

    def part(
        self,
        part: PartOf[Any, Any],
        operations: Sequence[Operation[Any] | Creation[Any]],
        complete: Complete | None = None,
        output_of: output.NewOutput | None = None,
        **special: Callable[..., None],
    ) -> CommandApp:
        """A group of commands: the list, or what there is one of; `special` ones; `operations`."""
        app = new_app(part.about) if part.name else self._app
        if part.name:
            self._app.add_typer(app, name=part.name)
        if part.lists:
            self._list(app, part)
        if part.reads and not part.key and not special:
            self._status(app, part)
        for name, run in special.items():
            app.command(name)(run)
        for each in operations:
            if each.on is not part:
                continue
            if isinstance(each, Creation):
                cancel = _cancelling(each, operations)
                self._create(each, app, output_of or output.NewOutput(), cancel)
            elif not each.cancels:
                self.add(each, app, complete)
        return app

    def on_resource(self, operations: Iterable[Operation[Any] | Creation[Any]]) -> None:
        """The commands of those on a resource itself."""
        for each in operations:
            if isinstance(each, Operation) and each.part is None:
                self.add(each)

    def add(
        self,
        operation: Operation[Any],
        app: CommandApp | None = None,
        complete: Complete | None = None,
    ) -> None:
        names, fields = _naming(operation, complete), operation.fields
        options = options_within(fields) if fields else {}
        keeps = KEEPS.get(operation.owner.kind, {}) if operation.gives_rights else {}
        parameters = {"owner": self._typed, **names, **options, **keeps}
        flags = [each for each in operation.flags if each.option]
        for each in flags:
            parameters[each.name] = Annotated[bool, flag(each.word, each.option)]
        if operation.asks:
            parameters["yes"] = Yes

        @(app or self._app).command(
            operation.verb, parameters=parameters, help=self._help(operation)
        )
        def run(owner: str, yes: bool = False, **values: Any) -> None:
            selected = frozenset(each.name for each in flags if values[each.name])
            item = _item(operation, {name: values[name] for name in names})
            typed = {name: values[name] for name in options}
            more = fields.read(given(**typed)) if fields else None
            kept = values.get("keep_credentials"), values.get("keep_members")
            self._perform(operation, owner, item, selected, more, kept, yes=yes)

    def _perform(
        self,
        operation: Operation[Any],
        owner: str,
        item: Any = "",
        selected: frozenset[str] = frozenset(),
        fields: Fields | None = None,
        kept: tuple[list[str] | None, list[str] | None] = (None, None),
        *,
        yes: bool,
    ) -> None:
        owner_id, called, part = owner, "", operation.part
        for confirmation in confirming(yes=yes):
            with confirmation, changing(*kept) as work:
                owner_id = operation.owner.key_of(self._find(work, owner_id))
                if part and part.find:
                    with suggesting(work):
                        item, called = part.find_all(work, item)
                about = item, called, selected, fields
                answer, question = work.perform(operation, owner_id, *about)
                if question:
                    confirmation.require_answer(question, of_scripts=operation.asks_scripts)
        said = operation.sentence(owner, item, answer, called, selected, fields)
        *first, last = said.splitlines()
        for sentence in first if not wants_json.get() else ():
            output.print_text(sentence)
        known = answer or operation.members_of(item, fields) or item or owner_id
        shown: dict[str, object] = {operation.past: known}
        output.say(last, known.model_dump(mode="json") if isinstance(known, BaseModel) else shown)

    def _create(
        self,
        creation: Creation[Any],
        app: CommandApp,
        printed: "output.NewOutput",
        cancel: Operation[Any] | None,
    ) -> None:
        fields = creation.fields
        options = options_within(fields, required=True) if fields else {}
        if cancel is not None:
            text = f"{cancel.summary} On a terminal it asks first."
            options |= {"cancels": Annotated[bool, flag("--cancel", text)], "yes": Yes}
        command = " ".join(("issuer", *creation.command(self._example, {}).words))
        examples = (f"{command} {more}".rstrip() for more in creation.examples + printed.examples)

        @app.command(
            creation.verb,
            parameters={"owner": self._typed, **options, **printed.options},
            help=_text(creation.summary, creation.more, *examples),
        )
        def run(owner: str, cancels: bool = False, yes: bool = False, **values: Any) -> None:
            if cancel is not None and cancels:
                self._perform(cancel, owner, yes=yes)
                return
            of_output = {name: values.pop(name) for name in printed.options}
            members = fields.read(given(**values)) if fields else None
            with changing() as work:
                owner_id = creation.on.owner.key_of(self._find(work, owner))
                created = work.add(creation, owner_id, members)
            if not printed.prints(owner_id, created, **of_output):
                _show(creation, created)

    def _list(self, app: CommandApp, part: PartOf[Any, Any]) -> None:
        command = " ".join(("issuer", *part.command("list", self._example)))

        parameters = {"owner": self._typed, **({"limit": Limit} if part.page else {})}

        @app.command("list", parameters=parameters, help=_text(part.lists, "", command))
        def list_items(owner: str, limit: int | None = None) -> None:
            with reading() as work:
                owner_id = part.owner.key_of(self._find(work, owner))
                items = work.items(part, owner_id, limit)
            if part.state is not None:
                now = datetime.now(UTC)
                items = [{**it.model_dump(mode="json"), **part.state(it, now)} for it in items]
            output.show_all(items, part.columns, part.in_words)

    def _status(self, app: CommandApp, part: PartOf[Any, Any]) -> None:
        command = " ".join(("issuer", *part.command("status", self._example)))
        about = f"Show{part.reads.removeprefix('Read')}"

        @app.command("status", parameters={"owner": self._typed}, help=_text(about, "", command))
        def show_item(owner: str) -> None:
            with reading() as work:
                item = work.item(part, part.owner.key_of(self._find(work, owner)))
            output.show(item)

    def _help(self, operation: Operation[Any]) -> str:
        part = operation.part
        names = [part.example] if part and operation.parameter else []
        asks = "Asks first." if operation.asks_scripts else "On a terminal it asks first."
        summary = f"{operation.summary} {asks}" if operation.asks else operation.summary
        command = " ".join(("issuer", *operation.command(self._example, "").words, *names))
        more = (*operation.examples, *(each.word for each in operation.flags if each.option))
        return _text(summary, operation.more, *(f"{command} {each}".rstrip() for each in more))


def _naming(operation: Operation[Any], complete: Complete | None) -> dict[str, Any]:
    """What names an item: an argument with its id or that of a client, or options, or both."""
    part = operation.part
    if part is None or not operation.parameter:
        return {}
    if part.named is not None:
        first = argument_within(part.named, part.parameter)
        return options_within(part.named) | {part.parameter: first}
    if isinstance(part.key, tuple):
        options = options_within(cast("type[Fields]", part.model), required=True)
        return {name: options[name] for name in part.key}
    noun = part.key.removesuffix("_id")
    if part.find is not None:
        text = f"The ids or the names of {part.field}."
        return {"item": Annotated[list[str], argument(part.field.upper(), text, complete)]}
    whose = part.name if noun in {part.key, "kid"} else noun
    return {"item": Annotated[str, argument(noun.upper(), f"The id of the {whose}.", complete)]}


def _item(operation: Operation[Any], values: Mapping[str, Any]) -> Any:
    if operation.part is None or operation.part.named is None:
        return values.get("item") or json.dumps(values) if values else ""
    try:
        return operation.part.named.read(given(**values))
    except InvalidField as error:
        raise typer.BadParameter(str(error)) from None


def _cancelling(
    creation: Creation[Any], operations: Iterable[Operation[Any] | Creation[Any]]
) -> Operation[Any] | None:
    """What its command does with the option `--cancel`."""
    for each in operations:
        if isinstance(each, Operation) and (each.on, each.cancels) == (creation.on, creation.verb):
            return each
    return None


def _show(creation: Creation[Any], created: BaseModel) -> None:
    members = created.model_dump(mode="json")
    once = {creation.once: str(members.pop(creation.once))} if creation.once else {}
    output.show(members, **once)


def _text(summary: str, more: str, *examples: str) -> str:
    lines = "\n".join(f"  {example}" for example in examples)
    return "\n\n".join(filter(None, (summary, more, "Examples:", lines)))
