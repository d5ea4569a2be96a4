"""What a form on the page of a resource asks for, and what is asked and said about it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from starlette.responses import Response

from issuer.composition import UnitOfWork
from issuer.fields.fields import Fields
from issuer.fields.json import patch_between
from issuer.resources import ResourceType
from issuer.web.console.screens.collection import FormPage, ResourceScreen
from issuer.web.console.screens.operator import Operator
from issuer.web.console.screens.views import Command, ConsolePage
from issuer.web.visit import Visit

Result = TypeVar("Result")
_OF_A_PAGE = {"form", "form_id", "do"}


@dataclass(frozen=True)
class ConfirmationText:
    """Asks whether to do something, and says what it ends."""

    what: str
    why: str
    button: str


@dataclass(frozen=True)
class ResourceAction:
    """`form` was sent by `operator` on the page of `resource`; or it is the query of the page."""

    endpoint: "ResourceChanges"
    operator: Operator
    visit: Visit
    form: Mapping[str, str]
    resource: Any
    is_protected: bool

    @property
    def type(self) -> ResourceType[Any, Any]:
        return self.endpoint.TYPE

    @property
    def key(self) -> str:
        return self.type.key_of(self.resource)

    @property
    def name(self) -> str:
        """What sentences call it, and what is typed to delete it."""
        return self.endpoint.name_of(self.resource)

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

    def has_typed(self, text: str) -> bool:
        """Whether it was confirmed by typing `text`."""
        return self.is_confirmed and self.form.get("typed", "").strip() == text

    def says(self, sentence: str) -> str:
        """A sentence about `{kind}` and `{name}`."""
        return sentence.format(kind=self.type.kind, name=self.name)

    def command(
        self,
        cli: Sequence[str],
        method: str,
        *path: str,
        body: Mapping[str, object] | None = None,
        query: str = "",
    ) -> Command:
        """`cli` after `issuer` and the kind; `path` below that of the resource."""
        whole = (self.key, *path)
        return self.endpoint.commands.of_resources(self.type, cli, method, whole, body, query)

    def patch(self, after: Fields) -> dict[str, Any]:
        """The change of the members that an operator sets, as the admin API takes it."""
        names = set(self.type.fields.model_fields)
        before, becomes = (
            each.model_dump(mode="json", include=names) for each in (self.resource, after)
        )
        return patch_between(before, becomes)

    def ask(
        self,
        what: str,
        why: str,
        button: str,
        command: Command,
        fields: Mapping[str, str] | None = None,
        *,
        typed: str = "",
        is_dangerous: bool = True,
    ) -> Response:
        """The page that asks; with `typed` again if something else was typed."""
        is_wrong = self.is_confirmed and bool(typed)
        return self.endpoint.ask(
            self.operator,
            self.visit,
            what,
            why,
            button,
            {"do": self.form["do"], **(fields or {})},
            commands=(command,),
            typed=typed,
            error=self.says(self.endpoint.NOT_TYPED) if is_wrong else "",
            is_dangerous=is_dangerous,
        )

    def confirmed(
        self,
        question: ConfirmationText | Callable[[UnitOfWork], ConfirmationText],
        command: Command,
        do: Callable[[UnitOfWork], Result],
        done: str | Callable[[Result], str],
        fields: Mapping[str, str] | None = None,
    ) -> Response:
        """Do it and say so, which `done` may make of the result; or ask first."""
        if self.is_confirmed:
            return self.done(do, done, command)
        if not isinstance(question, ConfirmationText):
            with self.operator.work(self.type.read) as work:
                question = question(work)
        return self.ask(question.what, question.why, question.button, command, fields)

    def done(
        self,
        do: Callable[[UnitOfWork], Result],
        done: str | Callable[[Result], str],
        command: Command,
    ) -> Response:
        with self.operator.work(self.type.write) as work:
            result = do(work)
        return self.finished(done if isinstance(done, str) else done(result), command)

    def edit_form(
        self,
        values: Mapping[str, str],
        errors: Mapping[str, str] | None = None,
        status: int = 200,
        *,
        present: Mapping[str, str] | None = None,
        error: str = "",
    ) -> Response:
        """The form for a change; `present` is what the resource is now."""
        return self.form_page(
            partial(
                FormPage,
                type=self.type,
                name=self.name,
                resource=self.resource,
                choices=self.endpoint.choices(self.operator),
            ),
            values,
            errors,
            status,
            present=present,
            error=error,
        )

    def form_page(
        self,
        page: Callable[..., ConsolePage],
        values: Mapping[str, str],
        errors: Mapping[str, str] | None = None,
        status: int = 200,
        **more: Any,
    ) -> Response:
        return self.endpoint.form_page(
            self.operator, self.visit, page, values, errors, status, **more
        )

    def finished(self, sentence: str, command: Command | None = None) -> Response:
        path, warnings = self.endpoint.path(self.visit), self.operator.warnings
        return self.endpoint.finished(path, sentence, command, warnings)


@dataclass(frozen=True)
class Deletion:
    """What is said before a deletion; with `cascade`, others use the resource and lose it."""

    why: str
    cascade: bool = False
    button: str = ""


class ResourceChanges(ResourceScreen):
    """What changes of a resource ask and say. The sentences are about `{kind}` and `{name}`."""

    NOT_TYPED = "This is not {name}."
    ENABLED, DISABLED = "The {kind} {name} is enabled.", "The {kind} {name} is disabled."
    DELETE, DELETED = "Delete the {kind} {name}?", "The {kind} {name} is deleted."
    DISABLES = "It can be enabled again."
    IS_ALWAYS_TYPED = True

    def name_of(self, resource: Any) -> str:
        return self.TYPE.key_of(resource)

    def typed(self, action: ResourceAction) -> dict[str, str]:
        """What the form for a change has at first."""
        return self.FORM.typed(action.resource)

    def before_saving(self, action: ResourceAction, fields: Any) -> Response | None:
        """A question, if there is one to answer before the change."""
        return None

    def update_command(self, action: ResourceAction, fields: Any) -> Command:
        patch = action.patch(fields)
        cli = ("update", action.key, *self.FORM.options(patch))
        return action.command(cli, "PATCH", body=patch)

    def before_disabling(self, action: ResourceAction) -> ConfirmationText:
        return ConfirmationText(
            f"Disable {action.name}?", self.DISABLES, f"Disable {self.TYPE.kind}"
        )

    def before_deletion(self, work: UnitOfWork, action: ResourceAction) -> Deletion:
        return Deletion("This cannot be undone.")
