"""What commands use of a unit of work, over the admin API."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from pydantic import BaseModel, TypeAdapter

from issuer import manifest
from issuer.audiences import AUDIENCE
from issuer.cli.confirming import Confirmation
from issuer.cli.remote.admin_api import JSON, YAML, AdminApiClient
from issuer.cli.remote.collection import ServerCollection, ServerTrustedIssuers, ServerUsers
from issuer.cli.remote.parts import (
    ServerAssignments,
    ServerAuditLog,
    ServerInspections,
    ServerTokenRevocations,
    ServerVerifiers,
)
from issuer.cli.remote.target import needs_host
from issuer.cli.remote.transaction import Model, ServerTransaction, parsed
from issuer.clients.client import CLIENT
from issuer.database.store import ListPart, ListQuery
from issuer.fields.fields import Fields
from issuer.groups import GROUP
from issuer.keys.described import DescribedKey, RevokedKey
from issuer.manifest import InvalidManifest, ManifestPlan
from issuer.manifest.applying import Applied, PlanOutdated
from issuer.manifest.changes import plan_of
from issuer.manifest.reading import Manifest
from issuer.operations import About, Creation, Key, Operation, OperationQuestion, PartOf
from issuer.resources import ResourceType
from issuer.roles import ROLE
from issuer.trusted_issuers import TRUSTED_ISSUER
from issuer.users import USER

_TYPES: tuple[ResourceType[Any, Any], ...] = (AUDIENCE, CLIENT, GROUP, ROLE)
_QUESTION = TypeAdapter(OperationQuestion | None)
_SHOWN = 5  # of what uses a resource


class ServerWork(ServerTransaction):
    """The resources of a server, their parts, and changes of them."""

    def __init__(self, api: AdminApiClient, confirmation: Confirmation | None = None) -> None:
        super().__init__(api, confirmation)
        self.new_privileges = self
        for resource_type in _TYPES:
            setattr(self, resource_type.attribute, ServerCollection(self, resource_type))
        self.users = ServerUsers(self, USER)
        self.trusted_issuers = ServerTrustedIssuers(self, TRUSTED_ISSUER)
        self.assignments = ServerAssignments(self)
        self.audit_log = ServerAuditLog(self)
        self.inspections = ServerInspections(self)
        self.token_revocations = ServerTokenRevocations(self)
        self.verifiers = ServerVerifiers(self)

    def __getattr__(self, name: str) -> Any:
        raise needs_host(self.api.issuer)

    def collection(self, resource_type: ResourceType[Any, Any]) -> Any:
        return getattr(self, resource_type.attribute)

    def listed(self, resource_type: ResourceType[Any, Any], asked: ListQuery) -> ListPart[Any]:
        part: ListPart[Any] = self.collection(resource_type).listed(asked)
        return part

    def delete(
        self, resource_type: ResourceType[Any, Any], key: str, *, cascade: bool = False
    ) -> OperationQuestion:
        more = {"cascade": "true"} if cascade else {}
        answer = self.change("DELETE", resource_type.plural, key, **more)
        return _question(answer) or OperationQuestion("", "", "")

    def items(self, part: PartOf[Any, Any], owner_id: str, limit: int | None) -> list[Any]:
        model = part.model
        if model is None or part.member:
            assert part.items is not None
            return [*part.items(self, owner_id)]
        found = self.api.items((part.owner.plural, owner_id, part.plural))
        return [parsed(model, each) for each in islice(found, limit)]

    def item(self, part: PartOf[Any, Model], owner_id: str) -> Model:
        assert part.model is not None
        return parsed(part.model, self.read(*part.path(owner_id)))

    def add(self, creation: Creation[Any], owner_id: str, fields: BaseModel | None) -> BaseModel:
        body = None if fields is None else fields.model_dump(exclude_unset=True)
        return parsed(creation.created, self.create(*creation.path(owner_id), body=body))

    def perform(
        self,
        operation: Operation[Any],
        owner_id: str,
        item: Key,
        called: str,
        flags: frozenset[str],
        fields: Fields | None = None,
    ) -> tuple[BaseModel | str | None, OperationQuestion | None]:
        """A dry run says what must be asked, and before the change, whether it has warnings."""
        question = None
        if isinstance(item, tuple) and len(item) > 1:  # one a request
            each = [self.perform(operation, owner_id, (key,), "", flags)[1] for key in item]
            asked = " ".join(one.says_all for one in each if one)
            return None, OperationQuestion(asked, "", "") if asked else None
        if isinstance(item, tuple):
            (item,) = item
        if operation.patch is not None:
            if operation.question is not None:
                name = operation.owner.name_of(self.collection(operation.owner).get(owner_id))
                question = operation.question(self, About(owner_id, name, item, called, flags))
            return operation.do(self, owner_id, item, flags), question
        request = operation.command(owner_id, item, flags, fields=fields)
        if not operation.adds and (operation.question is not None or self.is_dry):
            tried = self.send(request.method, request.path, request.query, dry_run=True)
            question = _question(tried)
        if self.is_dry:
            return None, question
        chosen = {**request.query, **dict.fromkeys(operation.overrides(question), "true")}
        body = {**(request.body or {}), **(self.kept if operation.gives_rights else {})} or None
        made = self.send(request.method, request.path, chosen, body)
        if operation.answers is not None:
            return parsed(operation.answers, made), question
        return (question.ends if question and not operation.parameter else None) or None, question

    def described_keys(self) -> list[DescribedKey]:
        return [parsed(DescribedKey, each) for each in self.api.items(("keys",))]

    def revoke_key(self, kid: str) -> RevokedKey:
        """Revoke a key. In a dry run it is only read."""
        if self.is_dry:
            key = parsed(DescribedKey, self.read("keys", kid))
            return RevokedKey(**dict(key), refused_within=0, left_valid="")
        return parsed(RevokedKey, self.change("POST", "keys", kid, "revoke"))

    def plan(
        self, source: bytes, file: str, *, prune: bool = False
    ) -> tuple[Manifest, ManifestPlan]:
        """`InvalidManifest` names the file, which the server does not know."""
        allowed = "true" if self._unknown_scopes else None
        params = {"prune": "true" if prune else None, "allow_unknown_scopes": allowed}
        try:
            answer = self.api.send("POST", ("manifest", "plan"), params, source)
        except InvalidManifest as error:
            more = error.total - len(error.problems)
            raise InvalidManifest(file, error.problems, more) from None
        if self._learns:
            self._tags["manifest", "apply"] = answer.headers["ETag"]
        result = plan_of(answer.json())
        self._planned = source, params, result.change_count
        return manifest.read(source, file), result

    def apply(self, plan: ManifestPlan) -> Applied:
        """In a dry run, nothing is applied: the plan says what must be asked."""
        source, params, count = self._planned
        if plan.change_count != count:
            raise PlanOutdated
        if self.is_dry:
            return Applied({}, {})
        kept = {name: ",".join(ids) for name, ids in self.kept.items()}
        made = self.send("POST", ("manifest", "apply"), {**params, **kept}, source)
        self.warnings += made["warnings"]
        return Applied(made["client_secrets"], made["user_ids"])

    def export(self, *, as_json: bool) -> Iterator[str]:
        accept = JSON if as_json else YAML
        yield self.api.send("GET", ("manifest",), accept=accept).text

    def named(self, ids: Sequence[str]) -> list[str]:
        """What uses a resource, the first with the names of users for their ids."""
        users = self.collection(USER)
        names = {each.id: f"user {each.username}" for each in users.named(ids[:_SHOWN])}
        return [names.get(each, each) for each in ids]


def _question(answer: Mapping[str, Any]) -> OperationQuestion | None:
    return _QUESTION.validate_python(answer.get("question"))
