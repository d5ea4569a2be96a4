"""Arguments and options for the members of resources, as their definitions describe them."""

import json
from collections.abc import Callable, Iterable
from enum import EnumType
from functools import partial
from typing import Annotated, Any

import typer
from pydantic import TypeAdapter, ValidationError

from issuer.cli.command import NOTHING, argument, content_of
from issuer.cli.options import COMPLETIONS
from issuer.errors import IssuerError
from issuer.fields.times import in_seconds
from issuer.resources.resource_type import Control, ItemText, Member, ResourceType
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
    member = resource_type.members[name]
    field = resource_type.fields.model_fields[name]
    nullable = field.default is None and name != resource_type.key
    parser = partial(_item, member.item) if member.item else _parser(member, nullable=nullable)
    option = typer.Option(
        *([member.option] if member.option else []),
        parser=parser,
        metavar=member.metavar,
        help=member.help,
        autocompletion=_completion(member),
    )
    value = _type(member)
    if parser:
        value = list[Any] | None if member.control.is_set else Any
    return Annotated[value if parser or field.is_required() else value | None, option]


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


def _parser(member: Member, *, nullable: bool) -> Callable[[str], object] | None:
    match member.control:
        case Control.DURATION:
            return _lifetime
        case Control.CERTIFICATE:
            return _certificate
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
