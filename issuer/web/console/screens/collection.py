"""Lists of resources in the console, and the form for a new one.

A collection of the console is a `ResourceForm`, a `CollectionScreen` and a `ResourceScreen`;
templates are found by the names of the resource, and what is special is overridden.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from starlette.responses import JSONResponse, Response

from issuer.composition import UnitOfWork
from issuer.errors import AlreadyExists, InvalidField, NotFound
from issuer.fields.spreadsheet import as_csv
from issuer.fields.text import escape
from issuer.resources import Command, ResourceType
from issuer.roles import Assignment
from issuer.roles.operations import assign_command
from issuer.web.console.screens.resource_form import ResourceForm, allow_if_ticked
from issuer.web.console.screens.screen import BAD_REQUEST, CONFLICT, ConsoleScreen
from issuer.web.console.screens.several import AtOnce
from issuer.web.console.screens.views import MAX_CHARACTERS, list_query, listing
from issuer.web.rendering import page_headers
from issuer.web.words import page_of

MOST_EXPORTED, _AT_ONCE = 10_000, 1_000
_SUGGESTED = 10


class ResourceTypeScreen(ConsoleScreen):
    """A screen about resources of one type. Its scopes follow from the type."""

    FORM: ClassVar[ResourceForm[Any, Any]]
    TYPE: ClassVar[ResourceType[Any, Any]]
    LIST: ClassVar[str]
    BELOW: ClassVar[str] = ""
    NAME: ClassVar[str]  # the member that people call one by
    SUGGESTS: ClassVar[bool] = False  # whether a form completes names

    def __init_subclass__(cls) -> None:
        if "FORM" in vars(cls):
            cls.TYPE = cls.FORM.type
            cls.LIST = f"/console/{cls.TYPE.plural}"
            cls.READ, cls.WRITE = cls.TYPE.read, cls.TYPE.write
            cls.PATH = cls.LIST + cls.BELOW
            plural = cls.TYPE.plural.replace("-", " ").capitalize()
            cls.LABEL = "" if cls.BELOW else plural
            cls.NAME = vars(cls).get("NAME", cls.TYPE.key)

    @property
    def secrets(self) -> Collection[str]:
        return self.FORM.secrets

    def choices(self) -> Mapping[str, Any]:
        """The values to choose from in a form, by name, where not all are offered."""
        return self.FORM.choices(self.parts.settings)

    def picks(self, values: Mapping[str, str]) -> dict[str, Any]:
        """What a form with these values offers to tick, beside fields that can also be typed."""
        return {}

    def taken(self, error: AlreadyExists) -> str:
        """The field whose value is taken."""
        key = self.TYPE.key
        return key if error.name == self.form.get(key, "").strip() else self.NAME


class CollectionScreen(ResourceTypeScreen):
    """The list; with `?new=` the form for a new one, of the kind that it names.

    A form that cannot be one of a resource is shown again, with what is wrong at its fields.
    """

    PARAMETERS: ClassVar[tuple[str, ...]] = ("new",)
    # What a file of the list has besides the members of the resources.
    EXPORTED: ClassVar[tuple[str, ...]] = ()
    # What can be done to several of the list, by the field `do`.
    AT_ONCE: ClassVar[Mapping[str, AtOnce]] = {}
    # What the form for each kind of new resource has at first.
    KINDS: ClassVar[Mapping[str, Mapping[str, str]]] = {"": {}}

    def show(self) -> Response:
        if "new" in self.visit.query:
            self.operator.require(self.TYPE.write)
            kind = self._kind(self.visit.query["new"])
            return self.form_page({"kind": kind, **self.KINDS[kind]})
        if "export" in self.visit.query:
            return self.export()
        if "suggest" in self.visit.query:
            return self.suggestions(self.visit.query["suggest"].strip()[:MAX_CHARACTERS])
        return self.list_page()

    def list_page(self, **shown: Any) -> Response:
        with self.operator.work(self.TYPE.read) as work:
            found = listing(work, self.visit, self.site.base + self.PATH, self.TYPE)
            shown |= self.about(work, found.items)
        return self.answer(
            (self.TYPE.attribute, "list"),
            self.LABEL,
            may_change=self.operator.holds(self.TYPE.write),
            commands=(self.TYPE.list_command(),),
            type=self.TYPE,
            listing=found,
            most=MOST_EXPORTED,
            new=self._kind("") or "yes",
            at_once=self.at_once(),
            **shown,
        )

    def suggestions(self, text: str) -> Response:
        """Names of some that are called like that, each with what else it is called, as JSON."""
        with self.operator.work(self.TYPE.read) as work:
            found = work.collection(self.TYPE).like(text, _SUGGESTED) if text else []
        names = [[self.TYPE.name_of(each), getattr(each, "name", "")] for each in found]
        return JSONResponse(names, headers=page_headers(serves_request=False))

    def at_once(self) -> dict[str, str]:
        """The labels of what this person may do to several, by the field `do`."""
        if not self.operator.holds(self.TYPE.write):
            return {}
        return {do: label for do, (label, _) in self.AT_ONCE.items()}

    def export(self) -> Response:
        """The list as it is sorted and searched, as a file of JSON lines or of CSV."""
        rows: dict[str, dict[str, Any]] = {}
        with self.operator.work(self.TYPE.read) as work:
            collection = work.collection(self.TYPE)
            asked = list_query(self.visit, _AT_ONCE)
            for _ in range(MOST_EXPORTED // _AT_ONCE):
                part = collection.listed(asked)
                about = self.exported(work, part.items)
                for each, more in zip(part.items, about, strict=True):
                    rows[self.TYPE.key_of(each)] = {**each.model_dump(mode="json"), **more}
                if part.next is None:
                    break
                asked = replace(asked, after=part.next)
        if self.visit.query["export"] == "csv":
            fields = self.TYPE.model.model_fields.items()
            columns = [*(name for name, each in fields if not each.exclude), *self.EXPORTED]
            return self.download(
                as_csv(rows.values(), columns), "text/csv", f"{self.TYPE.plural}.csv"
            )
        lines = "".join(f"{escape(json.dumps(row))}\n" for row in rows.values())
        return self.download(lines, "application/x-ndjson", f"{self.TYPE.plural}.jsonl")

    def exported(self, work: UnitOfWork, resources: Sequence[Any]) -> Sequence[dict[str, Any]]:
        """What is EXPORTED of each."""
        return [{} for _ in resources]

    def about(self, work: UnitOfWork, resources: Sequence[Any]) -> dict[str, Any]:
        """What the rows of the list show besides the resources."""
        return {}

    def form_page(self, values: Mapping[str, str], **shown: Any) -> Response:
        """The form for a new one, with what was typed."""
        return self.answer(
            (f"new_{self.TYPE.name}", "form"),
            f"New {self.TYPE.kind}",
            values=values,
            type=self.TYPE,
            resource=None,
            kind=self._kind(values.get("kind", "")),
            kinds=tuple(self.KINDS),
            choices=self.choices(),
            suggests=self.SUGGESTS,
            **{**self.picks(values), **shown},
        )

    def act(self) -> Response:
        if (do := self.form.get("do", "")) in self.AT_ONCE:
            _, act = self.AT_ONCE[do]
            try:
                return act(self)
            except InvalidField as error:
                return self.list_page(error=str(error), status=BAD_REQUEST)
        try:
            return self.create()
        except InvalidField as error:
            return self.form_page(self.form, errors=self.FORM.errors(error))
        except AlreadyExists as error:
            wrong = {self.taken(error): str(error)}
            return self.form_page(self.form, errors=wrong, status=CONFLICT)

    def create(self) -> Response:
        """Make the resource of the form; `InvalidField` or `AlreadyExists` if that cannot be."""
        fields = self.FORM.read(self.form, None)
        with self.operator.work(self.TYPE.write) as work:
            allow_if_ticked(work, self.form)
            key = self.TYPE.key_of(work.collection(self.TYPE).create(fields))
        text = f"The {self.TYPE.kind} {key} is created."
        return self.finished(text, self.creation(fields), page_of(self.TYPE, key))

    def creation(self, fields: Any) -> Command:
        """The command and the request that make it."""
        members = fields.model_dump(mode="json", exclude_defaults=True)
        others = {name: value for name, value in members.items() if name != self.NAME}
        name, options = getattr(fields, self.NAME), self.FORM.options(others)
        return self.TYPE.create_command(name, members, options)

    def assign(self, work: UnitOfWork, key: str, assignments: Iterable[Assignment]) -> None:
        """Assign roles to the new one; `InvalidField` for `roles` or `audience`."""
        for assignment in assignments:
            try:
                work.assignments.assign(key, assignment)
            except NotFound as error:
                field = "roles" if error.kind == "role" else "audience"
                raise InvalidField(field, str(error)) from None

    def commands_for(self, created: Any, assignments: Iterable[Assignment]) -> tuple[Command, ...]:
        """The commands that create it and assign the roles."""
        members = self.TYPE.fields.model_validate(created, from_attributes=True, strict=False)
        key = self.TYPE.key_of(created)
        assigned = (assign_command(self.TYPE, key, each) for each in assignments)
        return self.creation(members), *assigned

    def _kind(self, name: str) -> str:
        return name if name in self.KINDS else next(iter(self.KINDS))
