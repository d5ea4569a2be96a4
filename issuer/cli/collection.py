"""The commands of every collection: list, show, create, update, delete."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from inspect import Parameter, Signature
from typing import Annotated, Any, get_args

import typer
from typer.models import OptionInfo

from issuer.cli import output
from issuer.cli.command import adjusted, every, given, given_patch
from issuer.cli.confirming import Confirmation, Yes, confirmed, emptied
from issuer.cli.opening import changing, reading, warn_about
from issuer.cli.options import AllowUnknownScopes, AsJson, Cascade, KeepCredentials, Limit
from issuer.composition import UnitOfWork
from issuer.errors import InUse
from issuer.resources import ResourceType

_KEEP = "keep_credentials"


def _nothing_to_advise(_work: UnitOfWork, _created: Any) -> Iterable[str]:
    return ()


@dataclass(frozen=True)
class CollectionCommands:
    """Adds commands for resources of one type to `app`; each needs a help text.

    `argument` names an existing resource: by its key, or by what `find` finds it.
    """

    app: typer.Typer
    resource_type: ResourceType[Any, Any]
    argument: Any
    find: Callable[[UnitOfWork, str], Any] | None = None

    def list(self, columns: Sequence[str], text: str) -> None:
        """All resources as JSON, or a table of some `columns`."""

        def run(limit: int | None, as_json: bool) -> None:
            with reading() as work:
                read = work.collection(self.resource_type).page
                items = every(read, self.resource_type.key, limit)
            output.show_all(items, columns, as_json=as_json)

        self._add("list", {"limit": Limit}, text, run)

    def show(self, text: str) -> None:
        def run(resource: str, as_json: bool) -> None:
            with reading() as work:
                found = self._found(work, resource)
            output.show(found, as_json=as_json)

        self._add("show", {"resource": self.argument}, text, run)

    def create(
        self,
        members: Mapping[str, Any],
        text: str,
        then: Callable[..., None] | None = None,
        complete: Callable[[dict[str, Any]], None] | None = None,
        advise: Callable[[UnitOfWork, Any], Iterable[str]] = _nothing_to_advise,
    ) -> None:
        """`members` are arguments and options by name; `then` gets those of no member.

        `complete` may change the values before, and take options out. `advise` says what to do
        next, to people.
        """

        def run(as_json: bool, allow_unknown_scopes: bool = False, **values: Any) -> None:
            if complete is not None:
                complete(values)
            fields = self.resource_type.fields
            kept = values.pop(_KEEP, None)
            others = {name: values.pop(name) for name in values.keys() - fields.model_fields}
            with changing(kept) as work:
                if allow_unknown_scopes:
                    work.allow_unknown_scopes()
                collection = work.collection(self.resource_type)
                created = collection.create(fields.read(given(**values)))
                if then is not None:
                    then(work, created, **others)
                stored = collection.get(self.resource_type.key_of(created))
                advice = list(advise(work, stored))
            output.show(stored, as_json=as_json, **self.resource_type.shown_once(created))
            _warn(stored)
            if advice and not as_json:
                print()
                for sentence in advice:
                    output.print_text(sentence)

        self._add("create", {**members, **self._about_scopes, **self._keeping}, text, run)

    def update(
        self,
        members: Mapping[str, Any],
        text: str,
        lists: Sequence[str] = (),
        complete: Callable[[dict[str, Any]], None] | None = None,
    ) -> None:
        """`members` are options by name. `lists` can also be added to and removed from.

        `complete` may change the values before.
        """

        def run(
            resource: str,
            as_json: bool,
            yes: bool,
            allow_unknown_scopes: bool = False,
            **values: Any,
        ) -> None:
            if complete is not None:
                complete(values)
            kept = values.pop(_KEEP, None)
            given = given_patch(**values)

            def change(confirmation: Confirmation) -> Any:
                patch = dict(given)
                with changing(kept) as work:
                    if allow_unknown_scopes:
                        work.allow_unknown_scopes()
                    found = self._found(work, resource)
                    for name in lists:
                        _adjust(patch, name, getattr(found, name))
                    key = self.resource_type.key_of(found)
                    updated = work.collection(self.resource_type).update(key, patch)
                    states = (each.model_dump(mode="json") for each in (found, updated))
                    confirmation.require(*emptied(self._name(key), *states))
                return updated

            updated = confirmed(change, yes=yes)
            output.show(updated, as_json=as_json)
            if any("scopes" in name for name in given):
                _warn(updated)

        options = {"resource": self.argument}
        for name, option in members.items():
            options[name] = option
            if name in lists:
                options |= _adjusting(name, option)
        self._add("update", options | self._about_scopes | self._keeping | {"yes": Yes}, text, run)

    def delete(self, text: str, *, cascade: bool = False) -> None:
        def run(resource: str, as_json: bool, cascade: bool = False, yes: bool = False) -> None:
            def change(confirmation: Confirmation) -> str:
                with changing() as work:
                    key = self.resource_type.key_of(self._found(work, resource))
                    collection = work.collection(self.resource_type)
                    try:
                        collection.delete(key)
                    except InUse as error:
                        if not cascade:
                            raise
                        users = ", ".join(error.users_of_it)
                        confirmation.require(f"delete {self._name(key)}, in use by {users}")
                        collection.delete(key, cascade=True)
                return key

            key = confirmed(change, yes=yes)
            sentence = f"Deleted the {self.resource_type.kind} {resource}."
            output.say(sentence, {"deleted": key}, as_json=as_json)

        options = {"resource": self.argument} | (
            {"cascade": Cascade, "yes": Yes} if cascade else {}
        )
        self._add("delete", options, text, run)

    def _name(self, key: str) -> str:
        return f"the {self.resource_type.kind} {key}"

    @property
    def _about_scopes(self) -> dict[str, Any]:
        has_scopes = "scopes" in self.resource_type.fields.model_fields
        return {"allow_unknown_scopes": AllowUnknownScopes} if has_scopes else {}

    @property
    def _keeping(self) -> dict[str, Any]:
        return {_KEEP: KeepCredentials} if self.resource_type.gives_rights else {}

    def _found(self, work: UnitOfWork, resource: str) -> Any:
        if self.find is not None:
            return self.find(work, resource)
        return work.collection(self.resource_type).get(resource)

    def _add(
        self, verb: str, parameters: Mapping[str, Any], text: str, run: Callable[..., None]
    ) -> None:
        add_command(self.app, verb, parameters, text, run)


def add_command(
    app: typer.Typer,
    verb: str,
    parameters: Mapping[str, Any],
    text: str,
    run: Callable[..., None],
) -> None:
    """A command with these arguments and options by name, and `--json`.

    Typer reads the parameters of a command from its signature.
    """
    annotations = {**parameters, "as_json": AsJson}

    def command(**values: Any) -> None:
        run(**values)

    command.__annotations__ = annotations
    command.__signature__ = Signature(  # type: ignore[attr-defined]
        [
            Parameter(name, Parameter.KEYWORD_ONLY, default=_default(each), annotation=each)
            for name, each in annotations.items()
        ]
    )
    app.command(verb, help=text)(command)


def _default(annotation: Any) -> object:
    """A parameter of type `str` is required; a flag is off; anything else is left out."""
    defaults = {str: Parameter.empty, bool: False}
    return defaults.get(get_args(annotation)[0])


def _adjusting(name: str, option: Any) -> dict[str, Any]:
    """`--add-…` and `--remove-…` for an option that replaces a list."""
    info: OptionInfo = get_args(option)[1]
    word = _word(name)
    article = "an" if word[0] in "aeio" else "a"

    def adjusting(verb: str) -> Any:
        return Annotated[
            list[str] | None,
            typer.Option(
                f"--{verb}-{word}",
                metavar=info.metavar,
                help=f"{verb.capitalize()} {article} {word}. Repeatable.",
                autocompletion=info.autocompletion,
            ),
        ]

    return {f"{verb}_{name}": adjusting(verb) for verb in ("add", "remove")}


def _adjust(patch: dict[str, Any], name: str, current: list[str]) -> None:
    new = adjusted(
        _word(name),
        current,
        all_of_them=patch.get(name),
        more=patch.pop(f"add_{name}", None),
        less=patch.pop(f"remove_{name}", None),
    )
    if new is not None:
        patch[name] = new


def _word(name: str) -> str:
    return name.removesuffix("s").replace("_", "-")


def _warn(resource: Any) -> None:
    if "scopes" in type(resource).model_fields:
        warn_about(resource.scopes)
