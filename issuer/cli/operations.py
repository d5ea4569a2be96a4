"""The commands of operations on a resource, and of its parts: their lists, and what ends them."""

from collections.abc import Callable, Iterable
from typing import Annotated, Any

from issuer.cli import output
from issuer.cli.command import CommandApp, Complete, argument, new_app
from issuer.cli.confirming import Yes, confirming
from issuer.cli.opening import changing, reading
from issuer.composition import UnitOfWork
from issuer.operations import About, Operation, PartOf


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
        operations: Iterable[Operation[Any]],
        complete: Complete | None = None,
        **special: Callable[..., None],
    ) -> None:
        """A group of commands: the list, `special` ones by name, and those of the `operations`."""
        app = new_app(part.about)
        self._app.add_typer(app, name=part.name)
        self._list(app, part)
        for name, run in special.items():
            app.command(name)(run)
        for each in operations:
            if each.part is part:
                self.add(each, app, complete)

    def add(
        self,
        operation: Operation[Any],
        app: CommandApp | None = None,
        complete: Complete | None = None,
    ) -> None:
        parameters = {"owner": self._typed}
        if operation.part and operation.parameter:
            parameters["item"] = _key(operation.part, complete)
        if operation.question:
            parameters["yes"] = Yes

        @(app or self._app).command(
            operation.verb, parameters=parameters, help=self._help(operation)
        )
        def run(owner: str, yes: bool = False, **key: str) -> None:
            owner_id, item = owner, key.get("item", "")
            for confirmation in confirming(yes=yes):
                with confirmation, changing() as work:
                    found = self._find(work, owner_id)
                    owner_id = operation.owner.key_of(found)
                    ask = operation.question
                    question = ask and ask(work, About(owner_id, owner, item))
                    operation.run(work, owner_id, item)
                    if question:
                        confirmation.require_answer(
                            question.what, question.why, of_scripts=operation.asks_scripts
                        )
            done = operation.done.format(name=owner, item=item)
            output.say(done, {operation.past: item or owner_id})

    def _list(self, app: CommandApp, part: PartOf[Any, Any]) -> None:
        command = f"issuer {part.owner.kind} {part.name} list {self._example}"

        @app.command("list", parameters={"owner": self._typed}, help=_text(part.lists, "", command))
        def list_items(owner: str) -> None:
            with reading() as work:
                owner_id = part.owner.key_of(self._find(work, owner))
                items = part.items(work, owner_id)
            output.show_all(items, part.columns)

    def _help(self, operation: Operation[Any]) -> str:
        item = operation.part.example if operation.part and operation.parameter else ""
        asks = "Asks first." if operation.asks_scripts else "On a terminal it asks first."
        summary = f"{operation.summary} {asks}" if operation.question else operation.summary
        words = operation.command(self._example, item)
        return _text(summary, operation.more, " ".join(("issuer", *words)))


def _key(part: PartOf[Any, Any], complete: Complete | None) -> Any:
    """The argument that names an item: by an id of its own, or by that of a client."""
    noun = part.key.removesuffix("_id")
    whose = part.name if noun == part.key else noun
    return Annotated[str, argument(noun.upper(), f"The id of the {whose}.", complete)]


def _text(summary: str, more: str, example: str) -> str:
    return "\n\n".join(filter(None, (summary, more, "Examples:", f"  {example}")))
