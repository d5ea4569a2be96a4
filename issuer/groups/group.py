"""The models of a group."""

from dataclasses import replace
from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator

from issuer.fields.fields import Fields, Label, Version
from issuer.fields.ids import PrincipalId
from issuer.fields.text import with_counts
from issuer.fields.usernames import MAX_FOLDED, caseless_form
from issuer.resources import ResourceType
from issuer.resources.resource_type import NAME, Member


def fold_name(name: str) -> str:
    """The form in which names of groups are compared: in any case, with single spaces."""
    return " ".join(caseless_form(name).split())


def _name(text: str) -> str:
    if not 1 <= len(fold_name(text)) <= MAX_FOLDED:
        raise ValueError("must have 1 to 255 characters, not only spaces")
    return text


GroupName = Annotated[Label, AfterValidator(_name)]


class GroupFields(Fields):
    """The members of a group that an operator sets. Without `id`, one is generated.

    `external_id` is the id that a provisioning client has for it; nothing requires it to be unique.
    """

    id: Annotated[
        PrincipalId | None,
        Member(
            label="Id",
            help="The id; generated if left out.",
            hint="Generated if left out. It cannot be changed.",
        ),
    ] = None
    name: Annotated[
        GroupName,
        replace(NAME, help="The name, which no other group has in any case.", hint="Platform"),
    ]
    description: Annotated[Label, Member(label="Description", help="What it is for.")] = ""
    external_id: Annotated[
        Label | None,
        Member(
            label="External id",
            help="The id that a provisioning client has for it; '' for none.",
            hint="Set by the provisioning client, if there is one",
        ),
    ] = None


class Group(GroupFields):
    """A stored group."""

    id: PrincipalId
    created_at: datetime
    updated_at: datetime
    version: Version


GROUP = ResourceType(
    "group",
    "groups",
    key="id",
    fields=GroupFields,
    model=Group,
    named_by="name",
    fold=fold_name,
    deleted_with=lambda work, group: with_counts(
        {
            "member": work.groups.count_members(group.id)[group.id],
            "assigned role": len(work.assignments.of(group.id)),
        }
    ),
)


class GroupMember(Fields):
    """A user in a group."""

    user_id: str
    username: str
