"""What a form on the page of a resource asks for, such as that of a client or a user."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from starlette.responses import Response

from issuer.fields.fields import Fields
from issuer.fields.json import patch_between
from issuer.resources import ResourceType
from issuer.web.console.conflicts import meanwhile
from issuer.web.console.endpoint import ConsoleEndpoint, Operator
from issuer.web.console.views import Command, ConsolePage
from issuer.web.visit import Visit


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
