"""Groups of the issuer as groups of SCIM (RFC 7643 §4.2), and back."""

from collections.abc import Iterator, Sequence
from typing import Any

from scim2_models import (
    Context,
    InvalidFilterException,
    InvalidPathException,
    InvalidValueException,
    MutabilityException,
    Path,
    ResponseParameters,
)
from scim2_models.path import CompareOperator, Comparison, FilterNode, LogicalExpr, LogicalOperator

from issuer.admin.scim.resources import ScimResources, bounded_operations, cut, member
from issuer.admin.scim.schemas import GroupResource, MemberOfGroup
from issuer.database.conditions import Attribute, Condition, RowQuery, Value
from issuer.errors import InvalidField, NotFound
from issuer.fields.ids import is_principal_id
from issuer.groups import Group, GroupFields

_MEMBERS = {
    "id": "id",
    "externalId": "external_id",
    "displayName": "name",
    "meta.created": "created_at",
    "meta.lastModified": "updated_at",
}
_ATTRIBUTES = {"name": "displayName", "external_id": "externalId"}


class ScimGroups(ScimResources):
    """What SCIM may do with groups. Their roles are out of its reach.

    Members are read and compared by their ids, not by the library, which would build a model of
    each for every operation.
    """

    model = GroupResource
    name = "Group"
    endpoint = "/Groups"
    answers_patch = False

    def get(self, id: str) -> Group:
        return self._work.groups.get(id)

    def create(self, body: Any) -> str:
        members, rest = _split(body)
        sent = self.read(rest, Context.RESOURCE_CREATION_REQUEST)
        created = self._work.groups.create(_fields_of(sent, None))
        self._set_members(created.id, members or set())
        return created.id

    def replace(self, id: str, body: Any) -> None:
        """Without `members` there are none afterwards: programs leave empty lists out."""
        members, rest = _split(body)
        before = self.get(id)
        sent = self.read(rest, Context.RESOURCE_REPLACEMENT_REQUEST)
        self._write(before, sent)
        self._set_members(id, members or set())

    def patch(self, id: str, body: Any) -> None:
        before = self.get(id)
        members = _Members(self._work.groups.member_ids(id))
        others = [each for each in bounded_operations(body) if not members.apply(each)]
        if others or not body.get("Operations"):
            resource = self._resource(before)
            self.patched(resource, {**body, "Operations": others})
            self._write(before, resource)
        self._set_members(id, members.ids)

    def delete(self, id: str) -> None:
        self._work.groups.delete(id)

    def condition(self, name: str, operator: str, value: Value) -> Condition:
        if name == "members.value" and operator == "eq" and isinstance(value, str):
            return self._work.groups.has_member(value)
        return super().condition(name, operator, value)

    def _attribute(self, name: str) -> Attribute:
        if name not in _MEMBERS:
            raise InvalidFilterException(detail=f"Groups cannot be compared like this by {name}.")
        return self._work.groups.attribute(_MEMBERS[name])

    def _found(self, asked: RowQuery) -> tuple[Sequence[Group], int]:
        return self._work.groups.matching(asked)

    def _represented(
        self, stored: Sequence[Group], shown: ResponseParameters[Any]
    ) -> list[GroupResource]:
        if not self.is_shown("members", shown):
            return [self._resource(each) for each in stored]
        groups = self._work.groups
        some = cut(stored, groups.count_members(*(each.id for each in stored)))
        members = groups.members_of_each([each.id for each in some])
        return [self._with_members(each, members[each.id]) for each in some]

    def _with_members(self, group: Group, users: Sequence[tuple[str, str]]) -> GroupResource:
        resource = self._resource(group)
        resource.members = [
            MemberOfGroup(
                value=user_id, ref=self.location(user_id, "/Users"), type="User", display=username
            )
            for user_id, username in users
        ]
        return resource

    def _resource(self, group: Group) -> GroupResource:
        return GroupResource(
            id=group.id,
            external_id=group.external_id,
            display_name=group.name,
            meta=self._meta(group),
        )

    def _write(self, before: Group, resource: GroupResource) -> None:
        """Only what has changed: clients send the same again and again."""
        after = _fields_of(resource, before)
        if any(getattr(before, name) != getattr(after, name) for name in type(after).model_fields):
            self._work.groups.replace(before.id, after)

    def _set_members(self, group_id: str, user_ids: set[str]) -> None:
        try:
            self._work.groups.set_members(group_id, user_ids)
        except NotFound as error:
            raise InvalidField("members", str(error)) from None


class _Members:
    """The ids of the members of a group while operations change them."""

    def __init__(self, ids: set[str]) -> None:
        self.ids = ids

    def apply(self, operation: Any) -> bool:
        """Carry it out as far as it concerns members; whether nothing is left of it."""
        if not isinstance(operation, dict):
            return False
        op, path, value = (member(operation, name) for name in ("op", "path", "value"))
        op = op.lower() if isinstance(op, str) else op
        if op not in {"add", "replace", "remove"}:
            return False
        if path is None and op != "remove" and isinstance(value, dict):
            ids, rest = _split(value)
            if ids is None:
                return False
            self._change(op, member(value, "members"))
            operation.update({name: rest for name in operation if name.lower() == "value"})
            return not rest
        if not isinstance(path, str) or (selected := _path_to_members(path)) is None:
            return False
        self._apply_at(selected.value_filter, op, operation)
        return True

    def _apply_at(self, selected: FilterNode | None, op: str, operation: dict[str, Any]) -> None:
        """Change all members, or those that are `selected`."""
        if selected is None:
            if op != "remove" and "value" not in {name.lower() for name in operation}:
                raise InvalidValueException(detail=f"The operation {op} needs a value.")
            self._change(op, member(operation, "value"))
        elif op == "remove":
            self.ids = self.ids - {*_ids_of_filter(selected)}
        else:
            raise MutabilityException(detail="Members can be added and removed, not changed.")

    def _change(self, op: str, value: Any) -> None:
        if op == "replace":
            self.ids = _ids_in(value)
        elif op == "add":
            self.ids = self.ids | _ids_in(value)
        elif value is None:
            self.ids = set()
        else:  # not in the standard: Entra names the members to remove in `value`
            self.ids = self.ids - _ids_in(value)


def _fields_of(resource: GroupResource, before: Group | None) -> GroupFields:
    try:
        return GroupFields.read(
            {
                "id": before.id if before else None,
                "name": resource.display_name,
                "description": before.description if before else "",
                "external_id": resource.external_id,
            }
        )
    except InvalidField as error:
        raise error.renamed(_ATTRIBUTES) from None


def _split(attributes: dict[str, Any]) -> tuple[set[str] | None, dict[str, Any]]:
    """The ids of `members`, None without that attribute, and the other attributes."""
    named = {f"{prefix}members" for prefix in ("", f"{GroupResource.__schema__}:".lower())}
    given = [value for name, value in attributes.items() if name.lower() in named]
    rest = {name: value for name, value in attributes.items() if name.lower() not in named}
    return (_ids_in(given[-1]) if given else None), rest


def _ids_in(value: Any) -> set[str]:
    """The ids of members as clients send them: a list of objects, or one."""
    ids = set()
    for each in value if isinstance(value, list) else [] if value is None else [value]:
        user_id = member(each, "value") if isinstance(each, dict) else None
        if not isinstance(user_id, str) or not is_principal_id(user_id):
            raise InvalidValueException(detail="Each of the members needs a value: a user's id.")
        ids.add(user_id)
    return ids


def _path_to_members(text: str) -> Path[GroupResource] | None:
    """The path if it leads to members, or to some of them."""
    try:
        path = Path[GroupResource](text)
        binding = path.resolve()
    except InvalidPathException:
        return None  # for the library to refuse
    if binding is None or binding.field_name != "members":
        return None
    if binding.sub_field_name is not None:
        raise MutabilityException(detail="Members can be added and removed, not changed.")
    return path


def _ids_of_filter(node: FilterNode) -> Iterator[str]:
    """The ids that `value eq "…"` names, also of several joined by `or`."""
    match node:
        case LogicalExpr(op=LogicalOperator.or_, terms=terms):
            for each in terms:
                yield from _ids_of_filter(each)
        case Comparison(attr_path=path, op=CompareOperator.eq, value=str(value)) if (
            path.attr.lower() == "value"
        ):
            yield value
        case _:
            raise InvalidFilterException(detail='Members are selected by value eq "…" only.')
