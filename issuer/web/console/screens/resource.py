"""The screen of one resource: its page, the form for a change, and what ends it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, TypeAlias

from starlette.responses import Response

from issuer.composition import UnitOfWork
from issuer.errors import AlreadyExists, InUse, InvalidField, NotFound
from issuer.fields.fields import Fields
from issuer.fields.json import patch_between
from issuer.resources import Command, ResourceType
from issuer.values import lazy_property
from issuer.web.console.screens.collection import ResourceTypeScreen
from issuer.web.console.screens.events import recent_events
from issuer.web.console.screens.resource_form import allow_if_ticked
from issuer.web.console.screens.screen import CONFLICT
from issuer.web.words import page_of

# What to do, what that ends, and the label of the button.
Confirmation: TypeAlias = tuple[str, str, str]
_OF_A_PAGE = {"form", "form_id", "do"}
Action: TypeAlias = Callable[[Any], Response]
_NO_MEMBERS = {"version", "confirmed", "allow_unknown_scopes", "members"}


@dataclass(frozen=True)
class Deletion:
    """What is said before a deletion; with `cascade`, others use the resource and lose it."""

    why: str
    cascade: bool = False
    button: str = ""


class ResourceScreen(ResourceTypeScreen):
    """The page of one resource; `?edit=` shows the form for a change instead.

    So do other parameters of its query, which FORMS names. ACTIONS are what its forms ask for, in
    the field `do`: by default what every resource has (`changes_of`). Of those ON_OTHERS, it is not
    the right to change the resource itself that decides. The sentences are about `{kind}` and
    `{name}`.
    """

    BELOW = "/{key:path}"
    PARAMETERS: ClassVar[tuple[str, ...]] = ("edit",)
    FORMS: ClassVar[Mapping[str, Action]] = {}
    ACTIONS: ClassVar[Mapping[str, Action]]
    ON_OTHERS: ClassVar[tuple[str, ...]] = ()
    NOT_TYPED = "This is not {name}."
    ENABLED, DISABLED = "The {kind} {name} is enabled.", "The {kind} {name} is disabled."
    DELETE, DELETED = "Delete the {kind} {name}?", "The {kind} {name} is deleted."
    DISABLES = "It can be enabled again."
    IS_ALWAYS_TYPED = True

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        if "FORM" in vars(cls) and "ACTIONS" not in vars(cls):
            cls.ACTIONS = changes_of(cls.TYPE)

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
        name: str = getattr(resource, self.NAME)
        return name

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

    def patch(self, after: Fields) -> dict[str, Any]:
        """The change of the members that an operator sets, as the admin API takes it."""
        names = set(self.TYPE.fields.model_fields)
        before, becomes = (
            each.model_dump(mode="json", include=names) for each in (self.resource, after)
        )
        return patch_between(before, becomes)

    def show(self) -> Response:
        """Whoever names it in the URL by what people call it is sent to its page."""
        try:
            _ = self.resource
        except NotFound:
            with self.operator.work(self.TYPE.read) as work:
                found = work.collection(self.TYPE).find(self.visit.request.path_params["key"])
            return self.site.to(page_of(self.TYPE, self.TYPE.key_of(found)))
        is_protected = self.is_protected
        for name, show in {"edit": ResourceScreen.edit, **self.FORMS}.items():
            if name in self.visit.query:
                self.operator.require_may_change(self.TYPE.write, is_protected=is_protected)
                return show(self)
        return self.page()

    def act(self) -> Response:
        is_protected, do = self.is_protected, self.form.get("do", "")
        if do not in self.ACTIONS:
            return self.stale()
        if do not in self.ON_OTHERS:
            self.operator.require_may_change(self.TYPE.write, is_protected=is_protected)
        try:
            return self.ACTIONS[do](self)
        except InvalidField as error:
            return self.wrong(error)

    def page(self, **shown: Any) -> Response:
        """The page of the resource; `shown` is what the template shows besides, or differently."""
        operator, is_protected = self.operator, self.is_protected
        usual = {
            "may_change": operator.may_change(self.TYPE.write, is_protected=is_protected),
            "commands": (self.TYPE.show_command(self.key),),
            "type": self.TYPE,
            "resource": self.resource,
            "is_protected": is_protected,
            "events": recent_events(operator, self.key),
        }
        title = getattr(self.resource, "name", "") or self.name
        return self.answer((self.TYPE.name, "resource"), title, **usual | shown)

    def wrong(self, error: InvalidField) -> Response:
        """The page with what is wrong at the fields of its forms."""
        return self.page(values=self.form, errors=self.FORM.errors(error))

    def edit(self) -> Response:
        return self.edit_form({**self.typed(), "version": str(self.resource.version)})

    def typed(self) -> dict[str, str]:
        """What the form for a change has at first."""
        return self.FORM.typed(self.resource)

    def edit_form(self, values: Mapping[str, str], **shown: Any) -> Response:
        return self.answer(
            (f"edit_{self.TYPE.name}", "form"),
            f"Edit {self.name}",
            values=values,
            type=self.TYPE,
            resource=self.resource,
            choices=self.choices(),
            suggests=self.SUGGESTS,
            claimed=[],  # the template adds each member that it shows
            **self.picks(values),
            **shown,
        )

    def save(self) -> Response:
        """Unless the resource was changed since the form was shown."""
        if self.is_outdated:
            return self.conflict()
        try:
            fields = self.FORM.read(self.form, self.resource)
            if question := self.before_saving(fields):
                return question
            command = self.update_command(fields)
            with self.operator.work(self.TYPE.write) as work:
                allow_if_ticked(work, self.form)
                collection = work.collection(self.TYPE)
                self.resource = collection.get(self.key)
                if not self.is_outdated:
                    collection.replace(self.key, fields)
        except InvalidField as error:
            return self.edit_form(self.form, errors=self.FORM.errors(error))
        except AlreadyExists as error:
            wrong = {self.taken(error): str(error)}
            return self.edit_form(self.form, errors=wrong, status=CONFLICT)
        if self.is_outdated:
            return self.conflict()
        sentence = f"The {self.TYPE.kind} {self.name_of(fields)} is changed."
        return self.finished(sentence, command)

    def before_saving(self, fields: Any) -> Response | None:
        """A question, if there is one to answer before the change."""
        return None

    def update_command(self, fields: Any) -> Command:
        patch = self.patch(fields)
        return self.TYPE.update_command(self.key, patch, self.FORM.options(patch))

    def conflict(self) -> Response:
        """Both versions: what was typed, and at each field that differs what the resource is."""
        now, form = self.FORM.typed(self.resource), self.form
        left = {*self.FORM.members}.difference(form.get("members", "").split())
        left = left if "members" in form else set()
        return self.edit_form(
            {**form, "version": str(self.resource.version)},
            status=CONFLICT,
            present={
                name: now.get(name, "") or "empty"
                for name in {*now, *self.kept} - _NO_MEMBERS - left
                if now.get(name, "").split() != form.get(name, "").split()
            },
            error=f"Somebody changed the {self.TYPE.kind} meanwhile, and nothing was saved. Below"
            " each field that differs is what it is now. Saving again replaces that.",
        )

    def disable(self) -> Response:
        if self.is_confirmed:
            return self._switch({"disabled": True}, self.DISABLED)
        question = f"Disable {self.name}?", self.what_disabling_ends(), f"Disable {self.TYPE.kind}"
        return self.confirm(question, self.TYPE.update_command(self.key, {"disabled": True}))

    def what_disabling_ends(self) -> str:
        return self.DISABLES

    def enable(self) -> Response:
        return self._switch({"disabled": False}, self.ENABLED)

    def _switch(self, patch: Mapping[str, bool], done: str) -> Response:
        return self.done(
            lambda work: work.collection(self.TYPE).update(self.key, patch),
            self.says(done),
            self.TYPE.update_command(self.key, patch),
        )

    def delete(self) -> Response:
        """Once its name was typed; what uses it loses it only if the page said so."""
        cascade = self.form.get("cascade") == "yes"
        is_typed = self.form.get("typed", "").strip() == self.name
        if not (self.is_confirmed and (is_typed or not (cascade or self.IS_ALWAYS_TYPED))):
            return self._ask_to_delete()
        try:
            with self.operator.work(self.TYPE.write) as work:
                work.collection(self.TYPE).delete(self.key, cascade=cascade)
        except InUse:  # since the page was shown
            return replace(self, form={"do": self.form["do"]})._ask_to_delete()
        command = self.TYPE.delete_command(self.key, cascade=cascade)
        return self.finished(self.says(self.DELETED), command, self.LIST)

    def _ask_to_delete(self) -> Response:
        with self.operator.work(self.TYPE.read) as work:
            said = self.before_deletion(work)
        button = said.button or f"Delete {self.TYPE.kind}"
        return self.confirm(
            (self.says(self.DELETE), said.why, button),
            self.TYPE.delete_command(self.key, cascade=said.cascade),
            {"cascade": "yes"} if said.cascade else {},
            typed=self.name if said.cascade or self.IS_ALWAYS_TYPED else "",
        )

    def before_deletion(self, work: UnitOfWork) -> Deletion:
        return Deletion("This cannot be undone.")

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

    def done(self, do: Callable[[UnitOfWork], object], done: str, command: Command) -> Response:
        with self.operator.work(self.TYPE.write) as work:
            do(work)
        return self.finished(done, command)


def changes_of(resource_type: ResourceType[Any, Any]) -> dict[str, Action]:
    """What the forms of a page may ask for, by the field `do`."""
    changes: dict[str, Action] = {"save": ResourceScreen.save, "delete": ResourceScreen.delete}
    if "disabled" in resource_type.fields.model_fields:
        changes |= {"enable": ResourceScreen.enable, "disable": ResourceScreen.disable}
    return changes
