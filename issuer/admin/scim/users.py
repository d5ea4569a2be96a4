"""Users of the issuer as users of SCIM (RFC 7643 §4.1), and back."""

from collections.abc import Iterator, Sequence
from typing import Any

from scim2_models import Context, GroupMembership, InvalidFilterException, ResponseParameters

from issuer.admin.scim.resources import ScimResources, bounded_operations, member
from issuer.admin.scim.schemas import EXTENSION, EnterpriseUsers, UserResource
from issuer.database.conditions import NEVER, Attribute, Condition, RowQuery, Value
from issuer.errors import InvalidField
from issuer.users.provisioned import ProvisionedFields, ProvisionedUser

_MEMBERS = {
    "id": "id",
    "externalId": "external_id",
    "userName": "username",
    "displayName": "display_name",
    "emails": "email",
    "emails.value": "email",
    "emails.type": "email_label",
    "meta.created": "created_at",
    "meta.lastModified": "updated_at",
}
_ATTRIBUTES = {
    "external_id": "externalId",
    "username": "userName",
    "name": "displayName",
    "email": "emails",
    "scim": "attributes",
}
_IN_OTHER_COLUMNS = {"schemas", "id", "meta", "groups", "external_id", "user_name"}
# An address without a label is one of work: so Entra finds and replaces it.
_WORK = "work"


class ScimUsers(ScimResources):
    """What SCIM may do with users. Roles, passwords and claims are out of its reach."""

    model = EnterpriseUsers
    name = "User"
    endpoint = "/Users"

    def get(self, id: str) -> ProvisionedUser:
        return self._work.provisioned_users.get(id)

    def create(self, body: Any) -> str:
        sent = self.read(body, Context.RESOURCE_CREATION_REQUEST)
        if sent.active is None:
            sent.active = True
        return self._work.provisioned_users.create(_fields_of(sent, None)).id

    def replace(self, id: str, body: Any) -> None:
        before = self.get(id)
        sent = self.read(body, Context.RESOURCE_REPLACEMENT_REQUEST)
        if sent.active is None:
            sent.active = not before.disabled
        self._work.provisioned_users.provision(id, _fields_of(sent, before))

    def patch(self, id: str, body: Any) -> None:
        before = self.get(id)
        resource = self._resource(before)
        if sent := bounded_operations(body):
            body = {**body, "Operations": [each for one in sent for each in _by_path(one)]}
            bounded_operations(body)
        self.patched(resource, body)
        self._work.provisioned_users.provision(id, _fields_of(resource, before))

    def delete(self, id: str) -> None:
        self._work.provisioned_users.delete(id)

    def condition(self, name: str, operator: str, value: Value) -> Condition:
        users = self._work.provisioned_users
        if name == "active":
            if not isinstance(value, bool):  # everybody is active, or not
                return users.attribute("id").meets("pr") if operator in {"pr", "ne"} else NEVER
            return users.attribute("disabled").meets(operator, not value)
        if name == "emails.primary" and isinstance(value, bool):
            has_address = users.attribute("email").meets("pr")
            return has_address if value == (operator == "eq") else NEVER
        if name == "groups.value" and operator == "eq" and isinstance(value, str):
            return users.in_group(value)
        return super().condition(name, operator, value)

    def _has_schema(self, schema: str) -> Condition:
        if schema.lower() == EXTENSION.lower():
            return self._work.provisioned_users.attribute(EXTENSION).meets("pr")
        return super()._has_schema(schema)

    def _attribute(self, name: str) -> Attribute:
        if name in _MEMBERS:
            return self._work.provisioned_users.attribute(_MEMBERS[name])
        if name.startswith(("emails", "phoneNumbers", "addresses", "groups", "meta", "active")):
            raise InvalidFilterException(detail=f"Users cannot be compared by {name}.")
        schema, colon, attribute = name.rpartition(":")
        path = (schema, attribute) if colon else attribute.split(".")
        return self._work.provisioned_users.attribute(*path)

    def _found(self, asked: RowQuery) -> tuple[Sequence[ProvisionedUser], int]:
        return self._work.provisioned_users.matching(asked)

    def _represented(
        self, stored: Sequence[ProvisionedUser], shown: ResponseParameters[Any]
    ) -> list[UserResource[Any]]:
        resources = [self._resource(each) for each in stored]
        if self.is_shown("groups", shown):
            groups = self._work.groups.of_each_user([each.id for each in stored])
            for user, each in zip(stored, resources, strict=True):
                each.groups = [
                    GroupMembership(
                        value=group_id,
                        ref=self.location(group_id, "/Groups"),
                        display=name,
                        type="direct",
                    )
                    for group_id, name in groups[user.id]
                ]
        return resources

    def _resource(self, user: ProvisionedUser) -> UserResource[Any]:
        """What clients sent, but for what another interface may have changed since."""
        sent = user.scim
        attributes: dict[str, Any] = dict(sent or {})
        attributes |= {"id": user.id, "externalId": user.external_id, "userName": user.username}
        if sent is None or "displayName" in sent:
            attributes["displayName"] = user.name if sent else user.name or None
        if sent is None or "active" in sent:
            attributes["active"] = not user.disabled
        attributes["emails"] = _emails(attributes.get("emails") or [], user.email)
        resource: UserResource[Any] = self.model.model_validate(attributes)
        resource.meta = self._meta(user)
        return resource


def _by_path(operation: Any) -> Iterator[Any]:
    """The operation, with one of its own for each name in its value that is a path with a filter.

    Such as `emails[type eq "work"].value`, as Entra sends it. The library knows other paths there.
    """
    value = member(operation, "value") if isinstance(operation, dict) else None
    values = value if isinstance(value, dict) else {}
    paths = [name for name in values if "[" in name]
    if not paths or member(operation, "path") is not None:
        yield operation
        return
    op, rest = member(operation, "op"), dict(values)
    by_path = [{"op": op, "path": path, "value": rest.pop(path)} for path in paths]
    if rest:
        yield {"op": op, "value": rest}
    yield from by_path


def _emails(sent: list[dict[str, Any]], address: str | None) -> list[dict[str, Any]]:
    """The stored list, whose first address counts, with the address that the user has now."""
    first, others = (sent[0], sent[1:]) if sent else ({"type": _WORK, "primary": True}, [])
    return [{**first, "value": address}, *others] if address is not None else others


def _fields_of(resource: UserResource[Any], before: ProvisionedUser | None) -> ProvisionedFields:
    """What is stored of the resource; what SCIM cannot set is as before."""
    emails = resource.emails = sorted(resource.emails or [], key=lambda each: not each.primary)
    address = emails[0].value if emails else None
    is_verified = before is not None and before.email == address and before.email_verified
    stays = before is not None and resource.active is None
    try:
        return ProvisionedFields.read(
            {
                "id": before.id if before else None,
                "username": resource.user_name,
                "email": address,
                "email_verified": is_verified,
                "name": _name_of(resource),
                "claims": before.claims if before else {},
                "language": before.language if before else None,
                "disabled": before.disabled if before and stays else not resource.active,
                "external_id": resource.external_id,
                "scim": resource.model_dump(exclude=_IN_OTHER_COLUMNS),
            }
        )
    except InvalidField as error:
        raise error.renamed(_ATTRIBUTES) from None


def _name_of(resource: UserResource[Any]) -> str:
    """RFC 7643 §4.1.1: the name to show, else the name as a whole, else its parts."""
    if resource.display_name is not None:
        return resource.display_name
    name = resource.name
    parts = [name.given_name, name.family_name] if name else []
    formatted = name.formatted if name else None
    return formatted or " ".join(filter(None, parts))
