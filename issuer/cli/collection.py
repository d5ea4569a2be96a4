"""The commands of every collection: list, show, create, update, delete."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from inspect import cleandoc
from typing import Annotated, Any, TypeAlias, get_args

import typer
from typer.models import OptionInfo

from issuer.cli import output
from issuer.cli.command import CommandApp, Run, given, option, wants_json
from issuer.cli.confirming import Yes, confirming, emptied
from issuer.cli.opening import changing, reading, warn_about
from issuer.cli.options import KEEPS, AllowUnknownScopes, Cascade, Limit
from issuer.composition import UnitOfWork
from issuer.database.store import ListQuery, every
from issuer.errors import InUse, NotAllowed, NotFound
from issuer.resources import ResourceType
from issuer.resources.resource_type import ItemText

# Members by name, and some of them in words.
Parts: TypeAlias = tuple[Mapping[str, Any], Mapping[str, Any]]


@dataclass(frozen=True)
class CollectionCommands:
    """Adds commands for resources of one type to `app`, each with a text for its help.

    Its examples are what follows the verb, such as `my-os --cascade`.

    `argument` names an existing resource: by its key, or by what `find` finds it.
    """

    app: CommandApp
    resource_type: ResourceType[Any, Any]
    argument: Any
    find: Callable[[UnitOfWork, str], Any] | None = None

    def list(
        self,
        columns: Sequence[str],
        text: str,
        *examples: str,
        row: Callable[[Any], Mapping[str, Any]] = lambda _: {},
    ) -> None:
        """All resources as JSON, or a table of some `columns`, in the order of the console.

        `row` has members for the table alone.
        """

        @self._command("list", text, ("", *examples), {"limit": Limit})
        def run(limit: int | None = None) -> None:
            with reading() as work:
                items = every(
                    lambda after, most: (
                        work.listed(self.resource_type, ListQuery(most, after=after)).items
                    ),
                    self.resource_type.key,
                    limit,
                )
            output.show_all(items, columns, row)

    def show(
        self,
        example: str,
        more: str = ".",
        parts: Callable[[UnitOfWork, str], Parts] = lambda *_: ({}, {}),
    ) -> None:
        """`more` follows the summary in the help. `parts` are shown with the resource of an id."""
        text = f"Show one {self.resource_type.kind}{more}"

        @self._command("show", text, (example,), {"resource": self.argument})
        def run(resource: str) -> None:
            with reading() as work:
                found = self._found(work, resource)
                more, in_words = parts(work, self.resource_type.key_of(found))
            output.show({**found.model_dump(mode="json"), **more}, in_words)

    def create(
        self,
        members: Mapping[str, Any],
        text: str,
        *examples: str,
        then: Callable[..., Iterable[str]] = lambda *_: (),
        complete: Callable[[dict[str, Any]], None] = lambda _: None,
    ) -> None:
        """`members` are arguments and options by name; `then` gets those of no member.

        `complete` may change the values before, and take options out. `then` returns sentences
        about what to do next, for people.
        """

        @self._command("create", text, examples, {**members, **self._about_rights})
        def run(
            keep_credentials: list[str] | None = None,
            keep_members: list[str] | None = None,
            allow_unknown_scopes: bool = False,
            **values: Any,
        ) -> None:
            complete(values)
            fields = self.resource_type.fields
            others = {name: values.pop(name) for name in values.keys() - fields.model_fields}
            kept = keep_credentials, keep_members
            with changing(*kept, allow_unknown_scopes=allow_unknown_scopes) as work:
                collection = work.collection(self.resource_type)
                declared = fields.read(given(**values))
                created = collection.create(declared)
                advice = [*then(work, created, **others)]
                stored = collection.get(self.resource_type.key_of(created))
            once = self.resource_type.shown_once(created)
            shown = {self.resource_type.key, *declared.model_fields_set}
            output.show(stored, given(**others), shown, **once)
            _warn(stored)
            if advice and not wants_json.get():
                print()
                for sentence in advice:
                    output.print_text(sentence)

    def update(
        self,
        members: Mapping[str, Any],
        text: str,
        *examples: str,
        lists: Sequence[str] = (),
        complete: Callable[[dict[str, Any]], None] = lambda _: None,
    ) -> None:
        """`members` are options by name. `lists` can also be added to and removed from.

        `complete` may change the values before.
        """
        options = {"resource": self.argument}
        for name, each in members.items():
            options |= {name: each, **(_adjusting(name, each) if name in lists else {})}

        @self._command("update", text, examples, {**options, **self._about_rights, "yes": Yes})
        def run(
            resource: str,
            keep_credentials: list[str] | None = None,
            keep_members: list[str] | None = None,
            allow_unknown_scopes: bool = False,
            yes: bool = False,
            **values: Any,
        ) -> None:
            complete(values)
            if not (members := given(**values)):
                raise typer.BadParameter("name a member to change, see --help")

            key = resource
            for confirmation in confirming(yes=yes):
                patch = dict(members)
                kept = keep_credentials, keep_members
                change = changing(*kept, allow_unknown_scopes=allow_unknown_scopes)
                with confirmation, change as work:
                    found = self._found(work, key)
                    for name in lists:
                        current = found.model_dump(mode="json", include={name})[name]
                        _adjust(patch, name, current, self.resource_type.members[name].item)
                    key = self.resource_type.key_of(found)
                    updated = work.collection(self.resource_type).update(key, patch)
                    states = (each.model_dump(mode="json") for each in (found, updated))
                    confirmation.require(*emptied(f"the {self.resource_type.kind} {key}", *states))
            output.show(updated)
            if any("scopes" in name for name in members):
                _warn(updated)

    def delete(
        self,
        text: str,
        *examples: str,
        cascade: bool = False,
    ) -> None:
        """With `cascade`, a resource in use can be deleted, too."""
        options = {"cascade": Cascade} if cascade else {}
        more = " With --cascade it is deleted, and removed from there." if cascade else ""
        asks = " Without one, only --cascade needs --yes." if cascade else ""
        text = f"{cleandoc(text)}\n\nOn a terminal it asks first.{asks}"
        kind = self.resource_type.kind

        @self._command("delete", text, examples, {"resource": self.argument, **options, "yes": Yes})
        def run(resource: str, cascade: bool = False, yes: bool = False) -> None:
            key = resource
            for confirmation in confirming(yes=yes):
                with confirmation, changing() as work:
                    key = self.resource_type.key_of(self._found(work, key))
                    try:
                        question, in_use = work.delete(self.resource_type, key), False
                    except InUse as error:
                        if not cascade:
                            using = work.named(error.users_of_it)
                            raise NotAllowed(f"{InUse(kind, key, using)}{more}") from None
                        question = work.delete(self.resource_type, key, cascade=True)
                        in_use = True
                    confirmation.require_answer(question, of_scripts=in_use)
            output.say(f"Deleted the {kind} {resource}.", {"deleted": key})

    @property
    def _about_rights(self) -> dict[str, Any]:
        has_scopes = "scopes" in self.resource_type.fields.model_fields
        return ({"allow_unknown_scopes": AllowUnknownScopes} if has_scopes else {}) | (
            KEEPS[self.resource_type.kind] if self.resource_type.gives_rights else {}
        )

    def _command(
        self, verb: str, text: str, examples: Iterable[str], parameters: Mapping[str, Any]
    ) -> Callable[[Run], Run]:
        command = f"issuer {self.resource_type.kind.replace(' ', '-')} {verb}"
        lines = "\n".join(f"  {command} {example}" for example in examples)
        return self.app.command(
            verb, help=f"{cleandoc(text)}\n\nExamples:\n\n{lines}", parameters=parameters
        )

    def _found(self, work: UnitOfWork, resource: str) -> Any:
        find = self.find or (lambda work, key: work.collection(self.resource_type).get(key))
        return find(work, resource)


def _adjusting(name: str, replacing: Any) -> dict[str, Any]:
    """`--add-…` and `--remove-…` for an option that replaces a list."""
    info: OptionInfo = get_args(replacing)[1]
    word = _word(name)
    article = "an" if word[0] in "aeio" else "a"
    what = f"one, as in --{word}" if info.parser else f"{article} {word}"
    item: Any = Any if info.parser else str
    return {
        f"{verb}_{name}": Annotated[
            list[item] | None,
            option(
                str(info.metavar),
                f"{verb.capitalize()} {what}. Repeatable.",
                f"--{verb}-{word}",
                complete=info.autocompletion,
                parser=info.parser,
            ),
        ]
        for verb in ("add", "remove")
    }


def _adjust(
    patch: dict[str, Any], name: str, current: Sequence[Any], text: ItemText | None
) -> None:
    """Replace what to add and to remove by the new list, in which every item to remove is."""
    kind = _word(name)
    more, less = (patch.pop(f"{verb}_{name}", None) or [] for verb in ("add", "remove"))
    if not more and not less:
        return
    if name in patch:
        raise typer.BadParameter(
            f"--{kind} replaces the list: use it without --add-{kind} and --remove-{kind}"
        )
    for item in less:
        if item not in current:
            raise NotFound(kind, text.write(item) if text else item)
    patch[name] = [item for item in [*current, *more] if item not in less]


def _word(name: str) -> str:
    return name.removesuffix("s").replace("_", "-")


def _warn(resource: Any) -> None:
    if "scopes" in type(resource).model_fields:
        warn_about(resource.scopes)
