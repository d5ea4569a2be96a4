"""Lists of resources in the console, and the form for a new one.

A collection of the console is a `ResourceForm`, a `CollectionEndpoint` and a `ResourceEndpoint`;
templates are found by the names of the resource, and what is special is overridden.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, TypeVar

from starlette.responses import Response

from issuer.composition import UnitOfWork
from issuer.errors import AlreadyExists, InvalidField
from issuer.resources import ResourceType
from issuer.web.console.screens.endpoint import ConsoleEndpoint
from issuer.web.console.screens.operator import Operator
from issuer.web.console.screens.resource_form import ResourceForm, allow_if_ticked, field_errors
from issuer.web.console.screens.views import Command, ConsolePage, Listing, listing
from issuer.web.visit import Visit
from issuer.web.words import segment

ListPageT = TypeVar("ListPageT", bound="ListPage")
BAD_REQUEST, CONFLICT = 400, 409


def title_of(resource_type: ResourceType[Any, Any]) -> str:
    """ "Trusted issuers"."""
    return resource_type.plural.replace("-", " ").capitalize()


@dataclass(frozen=True, kw_only=True)
class ListPage(ConsolePage):
    """`new` is the kind of a new resource for which the form is opened."""

    type: ResourceType[Any, Any]
    listing: Listing[Any]
    new: str

    @property
    def title(self) -> str:
        return title_of(self.type)

    @property
    def templates(self) -> tuple[str, ...]:
        return f"console/{self.type.attribute}.html", "console/list.html"


@dataclass(frozen=True, kw_only=True)
class FormPage(ConsolePage):
    """The form for a new resource of one of `kinds`, or for a change of the one called `name`.

    `choices` are the values to choose from, by name, where not all are offered.
    """

    type: ResourceType[Any, Any]
    name: str = ""
    resource: Any = None
    kind: str = ""
    kinds: tuple[str, ...] = ()
    choices: Mapping[str, Sequence[Any]]

    @property
    def title(self) -> str:
        return f"Edit {self.name}" if self.resource else f"New {self.type.kind}"

    @property
    def templates(self) -> tuple[str, ...]:
        verb = "edit" if self.resource else "new"
        return f"console/{verb}_{self.type.name}.html", "console/form.html"


class ResourceScreen(ConsoleEndpoint):
    """A screen about resources of one type. Its scopes follow from the type."""

    FORM: ClassVar[ResourceForm[Any, Any]]
    TYPE: ClassVar[ResourceType[Any, Any]]
    LIST: ClassVar[str]
    BELOW: ClassVar[str] = ""
    ARGUMENT: ClassVar[str]

    def __init_subclass__(cls) -> None:
        if "FORM" in vars(cls):
            cls.TYPE = cls.FORM.type
            cls.LIST = f"/console/{cls.TYPE.plural}"
            cls.READ, cls.WRITE = cls.TYPE.read, cls.TYPE.write
            cls.PATH = cls.LIST + cls.BELOW
            cls.LABEL = "" if cls.BELOW else title_of(cls.TYPE)
            cls.ARGUMENT = vars(cls).get("ARGUMENT", cls.TYPE.key)

    def choices(self, operator: Operator) -> Mapping[str, Sequence[Any]]:
        """The values to choose from in a form."""
        return self.FORM.choices(self.parts.settings)

    def taken(self, form: Mapping[str, str], error: AlreadyExists) -> str:
        """The field whose value is taken."""
        return self.TYPE.key


class CollectionEndpoint(ResourceScreen):
    """The list; with `?new=` the form for a new one, of the kind that it names.

    A form that cannot be one of a resource is shown again, with what is wrong at its fields.
    """

    PARAMETERS: tuple[str, ...] = ("new",)
    CREATED = "The {kind} {key} is created."
    # What the form for each kind of new resource has at first.
    KINDS: ClassVar[Mapping[str, Mapping[str, str]]] = {"": {}}

    def screen(self, operator: Operator, visit: Visit) -> Response:
        if "new" in visit.query:
            operator.require(self.TYPE.write)
            kind = self._kind(visit.query["new"])
            return self.show_form(operator, visit, {"kind": kind, **self.KINDS[kind]})
        with operator.work(self.TYPE.read) as work:
            shown = self.rows(work, listing(work, visit, self.site.base + self.PATH, self.TYPE))
        page = self.list_page(operator, shown, ListPage)(frame=self.frame(operator, visit))
        return self.site.pages.answer(page)

    def rows(self, work: UnitOfWork, found: Listing[Any]) -> Listing[Any]:
        """The list with what its rows show of each resource."""
        return found

    def list_page(
        self, operator: Operator, shown: Listing[Any], page: type[ListPageT]
    ) -> partial[ListPageT]:
        """Makes the page with that part of the list."""
        return partial(
            page,
            may_change=operator.holds(self.TYPE.write),
            commands=(self.commands.of_resources(self.TYPE, ["list"], "GET"),),
            type=self.TYPE,
            listing=shown,
            new=self._kind("") or "yes",
        )

    def act(self, operator: Operator, visit: Visit, form: Mapping[str, str]) -> Response:
        try:
            return self.create(operator, visit, form)
        except InvalidField as error:
            return self.show_form(operator, visit, form, field_errors(error), BAD_REQUEST)
        except AlreadyExists as error:
            errors = {self.taken(form, error): str(error)}
            return self.show_form(operator, visit, form, errors, CONFLICT)

    def create(self, operator: Operator, visit: Visit, form: Mapping[str, str]) -> Response:
        """Make the resource of the form; `InvalidField` or `AlreadyExists` if that cannot be."""
        fields = self.FORM.read(form, None)
        with operator.work(self.TYPE.write) as work:
            allow_if_ticked(work, form)
            key = self.TYPE.key_of(work.collection(self.TYPE).create(fields))
        text = self.CREATED.format(kind=self.TYPE.kind, key=key)
        command = self.creation(fields)
        return self.finished(self.created(key), text, command, operator.warnings)

    def created(self, key: str) -> str:
        """The path of the page that is shown after the new one was created: its own."""
        return f"{self.LIST}/{segment(key)}"

    def creation(self, fields: Any) -> Command:
        """The command and the request that make it."""
        members = fields.model_dump(mode="json", exclude_defaults=True)
        others = {name: value for name, value in members.items() if name != self.ARGUMENT}
        cli = ["create", getattr(fields, self.ARGUMENT), *self.FORM.options(others)]
        return self.commands.of_resources(self.TYPE, cli, "POST", body=members)

    def new_page(
        self, operator: Operator, visit: Visit, form: Mapping[str, str]
    ) -> Callable[..., ConsolePage]:
        """Makes the page with the form, for what was typed into it."""
        return partial(
            FormPage,
            type=self.TYPE,
            kind=self._kind(form.get("kind", "")),
            kinds=tuple(self.KINDS),
            choices=self.choices(operator),
        )

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

    def _kind(self, name: str) -> str:
        return name if name in self.KINDS else next(iter(self.KINDS))
