"""One administrative transaction."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from issuer.audiences import Audiences
from issuer.audit import Actor
from issuer.audit.audit_log_store import AuditLog
from issuer.authority import Authority
from issuer.clients import Clients, Registrations
from issuer.clients.rotation import Rotations
from issuer.composition.foundation import Foundation
from issuer.composition.mail import MailParts
from issuer.composition.sign_in import FactorParts, SignInParts
from issuer.composition.tokens import KeyParts, TokenParts
from issuer.database import Session
from issuer.database.counts import read_change_count
from issuer.database.deployment import change_issuer
from issuer.groups import Groups
from issuer.keys import Keys
from issuer.refresh_tokens import Lifetimes
from issuer.resources import Collection, ResourceType, Transaction
from issuer.resources.resource_type import FieldsT, ModelT
from issuer.revocations import Revocations
from issuer.roles import Assignments, HeldRole, Roles
from issuer.sign_in.factors import Factors
from issuer.sign_in.identities import Identities
from issuer.sign_in.invitations import Invitations
from issuer.sign_in.password_resets import PasswordResets
from issuer.sign_in.session_revoker import Consents, Sessions
from issuer.sign_in.sessions import SentForms
from issuer.token_exchange.delegations import Delegations
from issuer.tokens.revoking import TokenRevocations
from issuer.trusted_issuers import TrustedIssuers
from issuer.users import USER
from issuer.users.users import Users
from issuer.verifiers.known_verifiers import KnownVerifiers

if TYPE_CHECKING:  # imported where they are first used
    from issuer.inspection.inspections import Inspections
    from issuer.review.store import ReviewStore
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


class UnitOfWork:
    """The domain objects of one transaction, which also has the audit events of their changes."""

    def __init__(
        self, session: Session, parts: DomainParts, actor: Actor, held: Iterable[str]
    ) -> None:
        settings, clock = parts.foundation.settings, parts.foundation.clock
        random, url = parts.foundation.random, settings.url
        trail = parts.foundation.trails.begin(session, actor)
        lifetimes = Lifetimes(settings.session_idle, settings.session_ttl)
        self.clock = clock
        self.requires_second_factor = settings.second_factor == "required"
        self._parts = parts
        self._session = session
        self._trail = trail
        self._issuer = url
        self.authority = authority = Authority(
            session, clock, url, held, actor, users_sign_in=settings.users_sign_in_with_password
        )
        self.revocations = revocations = Revocations(
            session, clock, is_admin=lambda: authority.grantor.is_admin
        )
        self._transaction = work = Transaction(session, trail, clock, authority, revocations)
        self.new_privileges = work.new_privileges
        self.audiences = Audiences(
            work,
            own_id=url,
            algorithms=settings.signing_algorithms,
            announce_for=parts.keys.policy.announced_for,
            allow_http=settings.dangerously_allow_http,
        )
        self.roles = Roles(work)
        self.assignments = Assignments(session, trail, clock, authority, revocations)
        self.clients = Clients(
            work, random, parts.tokens.client_secrets, settings.client_secret_ttl
        )
        self.registrations = Registrations(session, self.clients, clock)
        self.rotations = Rotations(self.clients, clock)
        self.users = Users(work, random, parts.sign_in.counter_keys)
        self.groups = Groups(work, random)
        factors = parts.factors
        self.factors = Factors(work, random, factors.totp, factors.recovery_codes)
        self.identities = Identities(work, self.users, random)
        self.trusted_issuers = TrustedIssuers(work, url, self.identities, factors.provider_secrets)
        self.outbox = outbox = parts.mail.outbox(session) if parts.mail.mailer else None
        texts = parts.mail.texts
        self.invitations = Invitations(
            work,
            self.users,
            self.factors,
            self.identities,
            factors.invitation_tokens,
            url,
            outbox,
            texts,
        )
        self.password_resets = PasswordResets(
            work, self.users, factors.password_reset_key, url, outbox, texts
        )
        self.sessions = Sessions(work, lifetimes, parts.tokens.used_assertions.use_within)
        self.consents = Consents(session, trail, clock, authority)
        self.delegations = Delegations(work)
        self.sent_forms = SentForms(session, clock, lifetimes)
        reader = parts.tokens.any_reader
        self.keys = Keys(session, trail, clock)
        self.token_revocations = TokenRevocations(
            trail, clock, authority, revocations, reader, self.keys
        )
        self.verifiers = KnownVerifiers(session, self.keys, clock, settings.signing_algorithms)
        self.audit_log = AuditLog(session)

    @cached_property
    def provisioned_users(self) -> "ProvisionedUsers":
        from issuer.users.provisioned import ProvisionedUsers  # noqa: PLC0415

        return ProvisionedUsers(
            self._transaction, self._parts.foundation.random, self._parts.sign_in.counter_keys
        )

    @cached_property
    def inspections(self) -> "Inspections":
        from issuer.inspection.inspections import Inspections  # noqa: PLC0415

        tokens, keyring = self._parts.tokens.issuer, self._parts.keys.keyring
        return Inspections(self._transaction, self.audiences, self.verifiers, tokens, keyring)

    @cached_property
    def reviewed(self) -> "ReviewStore":
        from issuer.review.store import ReviewStore  # noqa: PLC0415

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

    def effect_on_users(
        self, user_ids: Sequence[str], gained: Sequence[HeldRole], lost: Sequence[HeldRole]
    ) -> tuple[str, ...]:
        """Which of the users gain and lose what with these roles, for callers who may read users.

        None of the roles is assigned to a user itself.
        """
        from issuer.manifest.rights import effect_on_users  # noqa: PLC0415 - only to ask

        if not self.authority.holds(USER.read):
            return ()
        shifts = effect_on_users(self, user_ids, gained, lost)
        return tuple(line for shift in shifts for line in shift.lines())

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
        change_issuer(self._session, self._issuer)

    def change_count(self) -> int:
        """How many changes were committed when the transaction began."""
        return read_change_count(self._session)
