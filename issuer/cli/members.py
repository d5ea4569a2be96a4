"""Arguments and options for the members of resources, as their definitions describe them."""

import json
from collections.abc import Callable, Iterable
from enum import EnumType
from functools import partial
from typing import Annotated, Any

import typer
from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from issuer.cli.command import NOTHING, argument, content_of
from issuer.cli.options import COMPLETIONS, instant
from issuer.errors import IssuerError
from issuer.fields.fields import Fields
from issuer.fields.times import in_seconds
from issuer.resources.resource_type import Control, ItemText, Member, ResourceType, members_of
from issuer.settings import Duration

JWKS_EXAMPLE = '{"keys": [...]}'


def key_argument(resource_type: ResourceType[Any, Any]) -> Any:
    """The argument that names a new resource."""
    name = resource_type.key
    required = resource_type.fields.model_fields[name].is_required()
    metavar = resource_type.kind.upper().replace(" ", "_")
    return Annotated[
        str if required else str | None, argument(metavar, resource_type.members[name].help)
    ]


def options_of(resource_type: ResourceType[Any, Any], names: Iterable[str] = ()) -> dict[str, Any]:
    """The options for these members, by name; for all but the key if none is named."""
    members = resource_type.members
    return {
        name: option_of(resource_type, name)
        for name in names or members
        if names or name != resource_type.key
    }


def option_of(resource_type: ResourceType[Any, Any], name: str) -> Any:
    """An option that is not given leaves the member as it is, unless the member is required."""
    field = resource_type.fields.model_fields[name]
    return _option(resource_type.members[name], field, nullable=name != resource_type.key)


def options_within(model: type[Fields], *, required: bool = False) -> dict[str, Any]:
    """The options for the members of an object, none `required` by itself where it is a member."""
    return {
        name: _option(member, model.model_fields[name], is_required=required)
        for name, member in members_of(model).items()
    }


def argument_within(model: type[Fields], name: str) -> Any:
    """The argument for this member of an object."""
    member = members_of(model)[name]
    return Annotated[str, argument(name.upper(), member.help, _completion(member))]


def _option(
    member: Member, field: FieldInfo, *, nullable: bool = True, is_required: bool = True
) -> Any:
    nullable = nullable and field.default is None
    is_required = is_required and field.is_required()
    parser = partial(_item, member.item) if member.item else _parser(member, nullable=nullable)
    option = typer.Option(
        *filter(None, (member.option, member.alias)),
        parser=parser,
        metavar=member.metavar,
        help=member.help,
        autocompletion=_completion(member),
    )
    value = _type(member)
    if parser:
        value = list[Any] | None if member.control.is_set else Any
    return Annotated[value if parser or is_required else value | None, option]


def _lifetime(text: str) -> object:
    if text == "none":
        return NOTHING
    try:
        return in_seconds(TypeAdapter(Duration).validate_python(text))
    except ValidationError:
        raise typer.BadParameter("must be like 900s, 15m or 24h, or none") from None


def json_object(text: str, example: str) -> object:
    try:
        members = json.loads(content_of(text[1:]) if text.startswith("@") else text)
    except IssuerError as error:
        raise typer.BadParameter(str(error)) from None
    except (ValueError, RecursionError):
        members = None
    if not isinstance(members, dict):
        raise typer.BadParameter(f"must be a JSON object, such as {example}")
    return members


def _item(item: ItemText, text: str) -> object:
    """'' as it is: it stands for an empty list."""
    try:
        return text and item.read(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _certificate(text: str) -> object:
    """PEM, which may have other characters: it is checked as the member is."""
    if not text.startswith("@"):
        return text or NOTHING
    try:
        return content_of(text[1:]).decode("ascii", errors="replace")
    except IssuerError as error:
        raise typer.BadParameter(str(error)) from None


def _secret(text: str) -> object:
    """Only from a file: other users of the machine can read command lines."""
    if not text:
        return text
    if not text.startswith("@"):
        raise typer.BadParameter("must be @FILE: everybody can read the command line of a process")
    try:
        return content_of(text[1:]).decode("ascii", errors="replace").rstrip("\r\n")
    except IssuerError as error:
        raise typer.BadParameter(str(error)) from None


def _end(text: str) -> object:
    return NOTHING if text == "never" else instant(text, after=True)


_READERS = {
    Control.DURATION: _lifetime,
    Control.END: _end,
    Control.CERTIFICATE: _certificate,
    Control.SECRET: _secret,
}


def _parser(member: Member, *, nullable: bool) -> Callable[[str], object] | None:
    match member.control:
        case Control.DURATION | Control.END | Control.CERTIFICATE | Control.SECRET as control:
            return _READERS[control]
        case Control.JSON if nullable:
            return lambda text: json_object(text, JWKS_EXAMPLE) if text else NOTHING
        case Control.JSON:
            return lambda text: json_object(text, '{"tenant": "a"}')
        case Control.TEXT if nullable:
            return lambda text: text or NOTHING
    return None


def _type(member: Member) -> Any:
    value: Any = member.values if isinstance(member.values, EnumType) else str
    if member.control is Control.SWITCH:
        return bool
    return list[value] if member.control.is_set else value


def _completion(member: Member) -> Callable[..., list[str]] | None:
    if member.names:
        return COMPLETIONS[member.names]
    values = member.values
    return None if isinstance(values, EnumType) or not values else lambda: [*values]
