"""A list of resources, and the form for a new one."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from starlette.responses import Response

from issuer.errors import AlreadyExists, InvalidField
from issuer.fields.fields import Fields
from issuer.fields.json import patch_between
from issuer.resources import ResourceType
from issuer.web.console.screens.endpoint import ConsoleEndpoint
from issuer.web.console.screens.form_fields import field_errors
from issuer.web.console.screens.operator import Operator
from issuer.web.console.screens.views import Command, ConsolePage, Listing
from issuer.web.visit import Visit

_BAD_REQUEST, _CONFLICT = 400, 409


class ListEndpoint(ConsoleEndpoint):
    """A form that cannot be one of a resource is shown again, with what is wrong at its fields."""

    TYPE: ClassVar[ResourceType[Any, Any]]

    def require_write(self, operator: Operator) -> None:
        operator.require(self.TYPE.write)

    def list_page(
        self, operator: Operator, page: Callable[..., ConsolePage], shown: Listing[Any]
    ) -> partial[ConsolePage]:
        """Makes the page with that part of the list."""
        return partial(
            page,
            may_change=operator.holds(self.TYPE.write),
            commands=(self.commands.of_resources(self.TYPE, ["list"], "GET"),),
            listing=shown,
        )

    def show_list(
        self,
        operator: Operator,
        visit: Visit,
        page: Callable[..., ConsolePage],
        shown: Listing[Any],
    ) -> Response:
        whole = self.list_page(operator, page, shown)
        return self.site.pages.answer(whole(frame=self.frame(operator, visit)))

    def creation(self, cli: Sequence[str], body: Mapping[str, object]) -> Command:
        """`cli` after `issuer`, the kind and `create`."""
        return self.commands.of_resources(self.TYPE, ["create", *cli], "POST", body=body)

    def new_page(
        self, operator: Operator, visit: Visit, form: Mapping[str, str]
    ) -> Callable[..., ConsolePage]:
        """Makes the page with the form, for what was typed into it."""
        raise NotImplementedError

    def create(self, operator: Operator, visit: Visit, form: Mapping[str, str]) -> Response:
        """Make the resource of the form; `InvalidField` or `AlreadyExists` if that cannot be."""
        raise NotImplementedError

    def taken(self, form: Mapping[str, str], error: AlreadyExists) -> str:
        """The field whose value is taken."""
        return self.TYPE.key

    def act(self, operator: Operator, visit: Visit, form: Mapping[str, str]) -> Response:
        try:
            return self.create(operator, visit, form)
        except InvalidField as error:
            return self.show_form(operator, visit, form, field_errors(error), _BAD_REQUEST)
        except AlreadyExists as error:
            errors = {self.taken(form, error): str(error)}
            return self.show_form(operator, visit, form, errors, _CONFLICT)

    def show_form(
        self,
        operator: Operator,
        visit: Visit,
        form: Mapping[str, str],
        errors: Mapping[str, str] | None = None,
        status: int = 200,
    ) -> Response:
        page = self.new_page(operator, visit, form)
        return self.form_page(operator, visit, page, form, errors, status)


@dataclass(frozen=True)
class ResourceAction:
    """`form` was sent by `operator`, on the page of the resource with the id or name `key`."""

    TYPE: ClassVar[ResourceType[Any, Any]]
    endpoint: ConsoleEndpoint
    operator: Operator
    visit: Visit
    form: Mapping[str, str]

    @property
    def key(self) -> str:
        raise NotImplementedError

    @property
    def is_confirmed(self) -> bool:
        return self.form.get("confirmed") == "yes"

    @property
    def kept(self) -> dict[str, str]:
        """What was typed, to be sent again when it is confirmed."""
        of_the_page = {"form", "form_id", "do"}
        return {name: value for name, value in self.form.items() if name not in of_the_page}

    def has_typed(self, text: str) -> bool:
        """Whether it was confirmed by typing `text`."""
        return self.is_confirmed and self.form.get("typed", "").strip() == text

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
        return self.endpoint.commands.of_resources(self.TYPE, cli, method, whole, body, query)

    def deletion(self, *, cascade: bool = False) -> Command:
        """With `cascade`, also what uses it."""
        cli = ("delete", self.key, *(("--cascade",) if cascade else ()))
        return self.command(cli, "DELETE", query="cascade=true" if cascade else "")

    def patch(self, before: Fields, after: Fields) -> dict[str, Any]:
        """The change of the members that an operator sets, as the admin API takes it."""
        names = set(self.TYPE.fields.model_fields)
        was, becomes = (each.model_dump(mode="json", include=names) for each in (before, after))
        return patch_between(was, becomes)

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
            error=f"This is not {typed}." if is_wrong else "",
            is_dangerous=is_dangerous,
        )

    def edit_form(
        self,
        page: Callable[..., ConsolePage],
        values: Mapping[str, str],
        errors: Mapping[str, str] | None = None,
        status: int = 200,
        present: Mapping[str, str] | None = None,
    ) -> Response:
        """The form for a change; with `present`, somebody else changed the resource meanwhile."""
        error = meanwhile(self.TYPE.kind) if present is not None else ""
        return self.endpoint.form_page(
            self.operator,
            self.visit,
            page,
            values,
            errors,
            status,
            present=present,
            error=error,
        )

    def finished(self, sentence: str, command: Command | None = None) -> Response:
        path, warnings = self.endpoint.path(self.visit), self.operator.warnings
        return self.endpoint.finished(path, sentence, command, warnings)


def meanwhile(kind: str) -> str:
    """What the page says above the form."""
    return (
        f"Somebody changed the {kind} meanwhile, and nothing was saved. Below each field that"
        " differs is what it is now. Saving again replaces that."
    )


def differing(
    now: Mapping[str, str], typed: Mapping[str, str], names: Iterable[str]
) -> dict[str, str]:
    """What those of the fields `names` are now that differ from what was typed."""
    return {
        name: now.get(name, "") or "empty"
        for name in names
        if now.get(name, "").split() != typed.get(name, "").split()
    }
