"""How people type resources, as the members of the type say."""

from collections.abc import Mapping
from typing import Any, Generic

from pydantic.fields import FieldInfo

from issuer.resources import Control, Member, ResourceType
from issuer.resources.resource_type import FieldsT, ModelT
from issuer.web.console.screens.commands import as_options
from issuer.web.console.screens.form_fields import (
    json_text,
    lifetime_as_typed,
    one_a_line,
    read_json,
    typed_lifetime,
)


class ResourceForm(Generic[FieldsT, ModelT]):
    """Forms have every member of `type` but the key, which only new resources are given.

    `disabled`, and what has no `Member`, is changed in other ways. Subclasses override what forms
    of the type have in another way.
    """

    def __init__(self, type_: ResourceType[FieldsT, ModelT]) -> None:
        self.type = type_
        self.members = {
            name: each
            for name, each in type_.members.items()
            if name not in {type_.key, "disabled"}
        }

    def read(self, form: Mapping[str, str], resource: ModelT | None = None) -> FieldsT:
        """What a form gives, for a new resource or a change of one; `InvalidField`."""
        return self.type.fields.read({**self.kept(form, resource), **self.given(form, resource)})

    def kept(self, form: Mapping[str, str], resource: ModelT | None) -> dict[str, Any]:
        """The members that the form does not change; of a new resource the key."""
        if resource is None:
            key = self.type.key
            field = self.type.fields.model_fields[key]
            return {key: _typed(key, self.type.members[key], field, form)}
        names = self.type.fields.model_fields.keys() - self.members.keys()
        return resource.model_dump(mode="json", include=set(names))

    def given(self, form: Mapping[str, str], resource: ModelT | None) -> dict[str, Any]:
        """The members that were typed."""
        fields = self.type.fields.model_fields
        return {name: _typed(name, each, fields[name], form) for name, each in self.members.items()}

    def typed(self, resource: ModelT) -> dict[str, str]:
        """The fields of the form for a change, for the resource as it is."""
        typed: dict[str, str] = {}
        for name, each in self.members.items():
            typed |= _as_typed(name, each.control, getattr(resource, name))
        return typed

    def options(self, given: Mapping[str, Any]) -> list[str]:
        """The options of the command line that give these members."""
        return as_options(self.type, given)


def _typed(name: str, member: Member, field: FieldInfo, form: Mapping[str, str]) -> object:
    text = form.get(name, "").strip()
    nothing = field.default if not field.is_required() and not field.default else ""
    match member.control:
        case Control.LINES:
            return text.split()
        case Control.CHOICES:
            return [str(each) for each in member.values if each in form]
        case Control.SWITCH:
            return name in form
        case Control.DURATION:
            return typed_lifetime(text)
        case Control.JSON:
            return read_json(name, text, nothing)
    return text or nothing


def _as_typed(name: str, control: Control, value: Any) -> dict[str, str]:
    match control:
        case Control.LINES:
            return {name: one_a_line(value)}
        case Control.CHOICES:
            return {str(each): "yes" for each in value}
        case Control.SWITCH:
            return {name: "yes"} if value else {}
        case Control.DURATION:
            return {name: lifetime_as_typed(value)}
        case Control.JSON:
            return {name: json_text(value)}
    return {name: str(value or "").strip()}
