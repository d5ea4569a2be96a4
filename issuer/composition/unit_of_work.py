"""One administrative transaction."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel

from issuer.audiences import Audiences
from issuer.audit import Actor
from issuer.audit.audit_log_store import AuditLog
from issuer.authority import Authority
from issuer.authority.new_privileges import NewPrivileges
from issuer.clients.clients import Clients
from issuer.clients.registrations import Registrations
from issuer.clients.rotation import Rotations
from issuer.composition.foundation import Foundation
from issuer.composition.mail import MailParts
from issuer.composition.sign_in import FactorParts, SignInParts
from issuer.composition.tokens import KeyParts, TokenParts
from issuer.database import Session
from issuer.database.counts import read_change_count
from issuer.database.deployment import change_issuer
from issuer.database.store import ListPart, ListQuery, every
from issuer.deliveries.deliveries import Deliveries
from issuer.errors import InUse
from issuer.fields.fields import Fields
from issuer.fields.ids import fold_id
from issuer.groups import Groups
from issuer.keys import Keys
from issuer.keys.described import DescribedKey, RevokedKey, all_described, describe
from issuer.mail import Outbox
from issuer.operations import About, Creation, Key, Operation, OperationQuestion, PartOf
from issuer.refresh_tokens import Lifetimes
from issuer.resources import Collection, ResourceType, Transaction
from issuer.resources.resource_type import FieldsT, ModelT
from issuer.revocations import Revocations
from issuer.roles import Assignments, HeldRole, Roles
from issuer.sign_in.departures import Departures
from issuer.sign_in.factors import Factors
from issuer.sign_in.identities import Identities
from issuer.sign_in.invitations import Invitations
from issuer.sign_in.own_profile import OwnProfile
from issuer.sign_in.password_resets import PasswordResets
from issuer.sign_in.session_revoker import Consents, Sessions
from issuer.sign_in.sessions import SentForms
from issuer.token_exchange.delegations import Delegations
from issuer.tokens.revoking import TokenRevocations
from issuer.trusted_issuers import TrustedIssuers
from issuer.users import USER
from issuer.users.guard import AttemptGuard
from issuer.users.users import Users
from issuer.verifiers.known_verifiers import KnownVerifiers

ItemT = TypeVar("ItemT", bound=BaseModel)
PartT = TypeVar("PartT")

if TYPE_CHECKING:  # imported where they are first used
    from issuer.inspection.inspections import Inspections
    from issuer.manifest import ManifestPlan
    from issuer.manifest.applying import Applied
    from issuer.manifest.reading import Manifest
    from issuer.review.store import ReviewStore
    from issuer.usage.store import UsageStore
    from issuer.users.provisioned import ProvisionedUsers


@dataclass(frozen=True)
class DomainParts:
    """What domain objects are built from."""

    foundation: Foundation
    keys: KeyParts
    tokens: TokenParts
    sign_in: SignInParts
    factors: FactorParts
    mail: MailParts


def _built(build: "Callable[[UnitOfWork], PartT]") -> "cached_property[PartT]":
    """A domain object, built when it is first used."""
    return cached_property(build)


class UnitOfWork:
    """The domain objects of one transaction, which also has the audit events of their changes.

    Each is built when it is first used.
    """

    def __init__(
        self, session: Session, parts: DomainParts, actor: Actor, held: Iterable[str]
    ) -> None:
        self._parts = parts
        self._session = session
        self._settings = settings = parts.foundation.settings
        self._random = parts.foundation.random
        self._trail = trail = parts.foundation.trails.begin(session, actor)
        self.clock = clock = parts.foundation.clock
        users_sign_in = settings.users_sign_in_with_password
        self.authority = authority = Authority(
            session, clock, settings.url, frozenset(held), actor, users_sign_in=users_sign_in
        )
        self.revocations = Revocations(session, clock, is_admin=lambda: authority.grantor.is_admin)
        self._transaction = Transaction(session, trail, clock, authority, self.revocations)

    @property
    def requires_second_factor(self) -> bool:
        return self._settings.second_factor == "required"

    @property
    def new_privileges(self) -> NewPrivileges:
        return self._transaction.new_privileges

    audiences = _built(
        lambda work: Audiences(
            work._transaction,
            own_id=work._settings.url,
            algorithms=work._settings.signing_algorithms,
            announce_for=work._parts.keys.policy.announced_for,
            allow_http=work._settings.dangerously_allow_http,
        )
    )
    roles = _built(lambda work: Roles(work._transaction))
    assignments = _built(lambda work: Assignments(work._transaction))
    registrations = _built(lambda work: Registrations(work._session, work.clients, work.clock))
    rotations = _built(lambda work: Rotations(work.clients, work.clock))
    groups = _built(lambda work: Groups(work._transaction, work._random))
    identities = _built(lambda work: Identities(work._transaction, work.users, work._random))
    sent_forms = _built(lambda work: SentForms(work._session, work.clock, work._lifetimes))
    delegations = _built(lambda work: Delegations(work._transaction))
    deliveries = _built(lambda work: Deliveries(work._transaction))
    keys = _built(lambda work: Keys(work._session, work._trail, work.clock))
    audit_log = _built(lambda work: AuditLog(work._session))

    @cached_property
    def clients(self) -> Clients:
        secrets, ttl = self._parts.tokens.client_secrets, self._settings.client_secret_ttl
        return Clients(self._transaction, self._random, secrets, ttl)

    @cached_property
    def users(self) -> Users:
        parts = self._parts.sign_in
        return Users(self._transaction, self._random, parts.counter_keys, parts.guard)

    @property
    def attempts(self) -> AttemptGuard:
        return self._parts.sign_in.guard

    @cached_property
    def provisioned_users(self) -> "ProvisionedUsers":
        from issuer.users.provisioned import ProvisionedUsers  # noqa: PLC0415 - for administrators

        parts = self._parts.sign_in
        return ProvisionedUsers(self._transaction, self._random, parts.counter_keys, parts.guard)

    @cached_property
    def factors(self) -> Factors:
        parts = self._parts.factors
        return Factors(self._transaction, self._random, parts.totp, parts.recovery_codes)

    @cached_property
    def trusted_issuers(self) -> TrustedIssuers:
        secrets = self._parts.factors.provider_secrets
        return TrustedIssuers(self._transaction, self._settings.url, self.identities, secrets)

    @cached_property
    def outbox(self) -> Outbox | None:
        """The messages of this transaction; None where mail is off."""
        mail = self._parts.mail
        return mail.outbox(self._session) if mail.mailer else None

    @cached_property
    def invitations(self) -> Invitations:
        return Invitations(
            self._transaction,
            self.users,
            self.factors,
            self.identities,
            self._parts.factors.invitation_tokens,
            self._settings.url,
            self.outbox,
            self._parts.mail.texts,
        )

    @cached_property
    def password_resets(self) -> PasswordResets:
        return PasswordResets(
            self._transaction,
            self.users,
            self._parts.factors.password_reset_links,
            self._settings.url,
            self.outbox,
            self._parts.mail.texts,
        )

    @cached_property
    def own_profile(self) -> OwnProfile:
        return OwnProfile(
            self._transaction,
            self.users,
            self._parts.factors.email_change_links,
            self._settings.url,
            self.outbox,
            self._parts.mail.texts,
            self.identities,
        )

    @property
    def _lifetimes(self) -> Lifetimes:
        return Lifetimes(self._settings.session_idle, self._settings.session_ttl)

    @cached_property
    def sessions(self) -> Sessions:
        return Sessions(self._transaction, self._lifetimes)

    @cached_property
    def departures(self) -> Departures:
        use_within = self._parts.tokens.used_assertions.use_within
        return Departures(self._transaction, self.users, use_within)

    @cached_property
    def consents(self) -> Consents:
        return Consents(self._session, self._trail, self.clock, self.authority)

    @cached_property
    def token_revocations(self) -> TokenRevocations:
        reader = self._parts.tokens.any_reader
        return TokenRevocations(
            self._trail, self.clock, self.authority, self.revocations, reader, self.keys
        )

    @cached_property
    def verifiers(self) -> KnownVerifiers:
        algorithms = self._settings.signing_algorithms
        return KnownVerifiers(self._session, self.keys, self.clock, algorithms)

    @cached_property
    def inspections(self) -> "Inspections":
        from issuer.inspection.inspections import Inspections  # noqa: PLC0415 - for administrators

        tokens, keyring = self._parts.tokens.issuer, self._parts.keys.keyring
        return Inspections(self._transaction, self.audiences, self.verifiers, tokens, keyring)

    @cached_property
    def usage(self) -> "UsageStore":
        from issuer.usage.store import UsageStore  # noqa: PLC0415 - for administrators

        return UsageStore(self._session)

    @cached_property
    def reviewed(self) -> "ReviewStore":
        from issuer.review.store import ReviewStore  # noqa: PLC0415 - for administrators

        return ReviewStore(self._session)

    def allow_unknown_scopes(self) -> None:
        """Allow scopes that look like a misspelled known one from now on."""
        self._transaction.unknown_scopes_allowed = True

    @property
    def unknown_scopes_allowed(self) -> bool:
        return self._transaction.unknown_scopes_allowed

    def check_invariants(self) -> None:
        """Check, at the end of a change, the rules that concern its result as a whole."""
        self._transaction.check_invariants()

    def collection(
        self, resource_type: ResourceType[FieldsT, ModelT]
    ) -> Collection[Any, FieldsT, ModelT]:
        """The resources of this type: the attribute named by its plural."""
        found: Collection[Any, FieldsT, ModelT] = getattr(self, resource_type.attribute)
        return found

    def listed(
        self, resource_type: ResourceType[FieldsT, ModelT], asked: ListQuery
    ) -> ListPart[ModelT]:
        """A part of a list, with what lists show of each resource."""
        part = self.collection(resource_type).listed(asked)
        return replace(part, items=resource_type.listed(self, part.items))

    def effect_on_users(
        self, user_ids: Sequence[str], gained: Sequence[HeldRole], lost: Sequence[HeldRole]
    ) -> tuple[str, ...]:
        """Which of the users gain and lose what with these roles, for callers who may read users.

        None of the roles is assigned to a user itself.
        """
        from issuer.manifest.rights import effect_on_users  # noqa: PLC0415 - 1.8 MB

        if not self.authority.holds(USER.read):
            return ()
        shifts = effect_on_users(self, user_ids, gained, lost)
        return tuple(line for shift in shifts for line in shift.lines())

    def delete(
        self, resource_type: ResourceType[Any, Any], key: str, *, cascade: bool = False
    ) -> OperationQuestion:
        """Delete a resource. Returns what must be asked.

        `InUse` while others use it, unless `cascade` removes it from them.
        """
        collection = self.collection(resource_type)
        found, kind = collection.get(key), resource_type.kind
        loss = f"{resource_type.name_of(found)}{resource_type.deleted_with(self, found)}"
        try:
            collection.delete(key)
        except InUse as error:
            if not cascade:
                raise
            loss = f"{key}, in use by {', '.join(self.named(error.users_of_it))}"
            collection.delete(key, cascade=True)
        return OperationQuestion(f"This would delete the {kind} {loss}.", "", "Delete")

    def named(self, ids: Sequence[str]) -> list[str]:
        """What uses a resource, with names for the ids of users, for callers who may read users."""
        if not self.authority.holds(USER.read):
            return [*ids]
        names = {fold_id(each.id): f"user {each.username}" for each in self.users.named(ids)}
        return [names.get(fold_id(each), each) for each in ids]

    def items(self, part: PartOf[Any, Any], owner_id: str, limit: int | None) -> list[Any]:
        """All items of a part of a resource, or the first `limit` of one with pages."""
        if part.page is not None:
            return every(partial(part.page, self, owner_id), str(part.key), limit)
        assert part.items is not None
        return [*part.items(self, owner_id)]

    def item(self, part: PartOf[Any, ItemT], owner_id: str) -> ItemT:
        """The only item of a part of a resource."""
        assert part.item is not None
        return part.item(self, owner_id, "")

    def add(self, creation: Creation[Any], owner_id: str, fields: Any) -> BaseModel:
        """Add an item to a part of a resource."""
        return creation.run(self, owner_id, fields)

    def question(
        self,
        operation: Operation[Any],
        owner_id: str,
        item: Key,
        called: str,
        flags: frozenset[str],
        fields: Fields | None = None,
    ) -> OperationQuestion | None:
        """What is asked before an operation with the flags of these names."""
        if operation.question is None or not operation.asks:
            return None
        name = operation.owner.name_of(self.collection(operation.owner).get(owner_id))
        chosen = frozenset(each.name for each in operation.flags if each.option) & flags
        return operation.question(self, About(owner_id, name, item, called, chosen, fields))

    def perform(
        self,
        operation: Operation[Any],
        owner_id: str,
        item: Key,
        called: str,
        flags: frozenset[str],
        fields: Fields | None = None,
    ) -> tuple[BaseModel | str | None, OperationQuestion | None]:
        """Perform an operation despite its warnings. Returns its answer, and what must be asked."""
        question = self.question(operation, owner_id, item, called, flags, fields)
        flags |= operation.overrides(question)
        return operation.do(self, owner_id, item, flags, fields), question

    def described_keys(self) -> list[DescribedKey]:
        """All signing keys, newest first."""
        return all_described(self.keys.all(), self.clock())

    def revoke_key(self, kid: str) -> RevokedKey:
        """Revoke a key. Returns it with what could not be revoked."""
        key = self.token_revocations.revoke_key(kid)
        described = dict(describe(self.keys.all(), key, self.clock()))
        within = int(self._parts.foundation.settings.jwks_max_age.total_seconds())
        left_valid = self.revocations.warning
        return RevokedKey(**described, refused_within=within, left_valid=left_valid)

    def plan(
        self, source: bytes, file: str, *, prune: bool = False, **limits: int
    ) -> "tuple[Manifest, ManifestPlan]":
        """A manifest that is valid here, and its plan; `InvalidManifest`, `InUse` otherwise."""
        from issuer import manifest  # noqa: PLC0415 - 1.9 MB

        declared = manifest.read(source, file, self, prune=prune, **limits)
        return declared, manifest.plan(self, declared, prune=prune)

    def apply(self, plan: "ManifestPlan") -> "Applied":
        """Apply a plan, and check the invariants at once."""
        from issuer import manifest  # noqa: PLC0415 - 1.9 MB

        applied = manifest.apply(self, plan)
        self.check_invariants()
        return applied

    def export(self, *, as_json: bool) -> Iterator[str]:
        """The configuration as a manifest, in pieces."""
        from issuer import manifest  # noqa: PLC0415 - 1.9 MB

        return manifest.export(self, as_json=as_json)

    def deleted_with_user(self, user_id: str) -> dict[str, int]:
        """How many of what a user has would be deleted with it, by singular."""
        return {
            "assigned role": len(self.assignments.of(user_id)),
            "membership": len(self.groups.of_user(user_id)),
            "second factor": len(self.factors.of_user(user_id)),
            "consent": len(self.consents.of_user(user_id)),
        }

    @property
    def warnings(self) -> list[str]:
        """What operators should know about the change, as sentences."""
        return self._transaction.warnings

    def change_issuer(self) -> None:
        """The database belongs to `ISSUER_URL` from now on."""
        change_issuer(self._session, self._settings.url)

    def change_count(self) -> int:
        """How many changes were committed when the transaction began."""
        return read_change_count(self._session)
