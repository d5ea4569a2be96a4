"""What a form on the page of a resource asks for, and what is asked and said about it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from starlette.responses import Response

from issuer.composition import UnitOfWork
from issuer.fields.fields import Fields
from issuer.fields.json import patch_between
from issuer.values import lazy_property
from issuer.web.console.screens.collection import ResourceTypeScreen
from issuer.web.console.screens.views import Command

Result = TypeVar("Result")
# What to do, what that ends, and the label of the button.
Confirmation: TypeAlias = tuple[str, str, str]
_OF_A_PAGE = {"form", "form_id", "do"}


@dataclass(frozen=True)
class Deletion:
    """What is said before a deletion; with `cascade`, others use the resource and lose it."""

    why: str
    cascade: bool = False
    button: str = ""


class ResourceActions(ResourceTypeScreen):
    """What changes of one resource ask and say. The sentences are about `{kind}` and `{name}`."""

    NOT_TYPED = "This is not {name}."
    ENABLED, DISABLED = "The {kind} {name} is enabled.", "The {kind} {name} is disabled."
    DELETE, DELETED = "Delete the {kind} {name}?", "The {kind} {name} is deleted."
    DISABLES = "It can be enabled again."
    IS_ALWAYS_TYPED = True

    @lazy_property
    def resource(self) -> Any:
        with self.operator.work(self.TYPE.read) as work:
            return work.collection(self.TYPE).get(self.visit.request.path_params["key"])

    @lazy_property
    def is_protected(self) -> bool:
        """Whether it has, or gives, rights at the issuer itself. The domain decides it too."""
        return False

    @property
    def key(self) -> str:
        return self.TYPE.key_of(self.resource)

    @property
    def name(self) -> str:
        """What sentences call it, and what is typed to delete it."""
        return self.name_of(self.resource)

    def name_of(self, resource: Any) -> str:
        return self.TYPE.key_of(resource)

    @property
    def is_confirmed(self) -> bool:
        return self.form.get("confirmed") == "yes"

    @property
    def is_outdated(self) -> bool:
        """Whether the resource was changed since the form was shown."""
        return self.form.get("version") != str(self.resource.version)

    @property
    def kept(self) -> dict[str, str]:
        """What was typed, to be sent again when it is confirmed."""
        return {name: value for name, value in self.form.items() if name not in _OF_A_PAGE}

    def says(self, sentence: str) -> str:
        """A sentence about `{kind}` and `{name}`."""
        return sentence.format(kind=self.TYPE.kind, name=self.name)

    def command(
        self,
        cli: Sequence[str],
        method: str,
        *path: str,
        body: Mapping[str, object] | None = None,
        query: str = "",
    ) -> Command:
        """`cli` after `issuer` and the kind; `path` below that of the resource."""
        return self.commands.of_resources(self.TYPE, cli, method, (self.key, *path), body, query)

    def patch(self, after: Fields) -> dict[str, Any]:
        """The change of the members that an operator sets, as the admin API takes it."""
        names = set(self.TYPE.fields.model_fields)
        before, becomes = (
            each.model_dump(mode="json", include=names) for each in (self.resource, after)
        )
        return patch_between(before, becomes)

    def confirm(
        self,
        question: Confirmation,
        command: Command,
        fields: Mapping[str, str] | None = None,
        *,
        typed: str = "",
        is_dangerous: bool = True,
        **shown: Any,
    ) -> Response:
        """The page that asks; with `typed` again if something else was typed."""
        is_wrong = self.is_confirmed and bool(typed)
        return self.ask(
            *question,
            {"do": self.form["do"], **(fields or {})},
            commands=(command,),
            typed=typed,
            wrong=self.says(self.NOT_TYPED) if is_wrong else "",
            is_dangerous=is_dangerous,
            **shown,
        )

    def confirmed(
        self,
        question: Confirmation | Callable[[UnitOfWork], Confirmation],
        command: Command,
        do: Callable[[UnitOfWork], Result],
        done: str | Callable[[Result], str],
        fields: Mapping[str, str] | None = None,
    ) -> Response:
        """Do it and say so, which `done` may make of the result; or ask first."""
        if self.is_confirmed:
            return self.done(do, done, command)
        if callable(question):
            with self.operator.work(self.TYPE.read) as work:
                question = question(work)
        return self.confirm(question, command, fields)

    def done(
        self,
        do: Callable[[UnitOfWork], Result],
        done: str | Callable[[Result], str],
        command: Command,
    ) -> Response:
        with self.operator.work(self.TYPE.write) as work:
            result = do(work)
        return self.finished(done if isinstance(done, str) else done(result), command)
