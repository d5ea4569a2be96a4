"""A list of resources, and the form for a new one."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

from starlette.responses import Response

from issuer.errors import AlreadyExists, InvalidField
from issuer.resources import ResourceType
from issuer.web.console.endpoint import ConsoleEndpoint, Operator
from issuer.web.console.field_errors import field_errors
from issuer.web.console.views import Command, ConsolePage, Listing
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
