"""One administrative transaction."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from issuer.audiences import Audiences
from issuer.audit import Actor, AuditLog
from issuer.authority import Authority, NewPrivileges
from issuer.clients import Clients, Registrations, Rotations
from issuer.composition.foundation import Foundation
from issuer.composition.sign_in import FactorParts, SignInParts
from issuer.composition.tokens import KeyParts, TokenParts
from issuer.database import Session
from issuer.database.counts import read_change_count
from issuer.database.deployment import change_issuer
from issuer.keys import Keys, SigningKey
from issuer.refresh_tokens import Lifetimes
from issuer.resources import Collection, ResourceType, Transaction
from issuer.resources.resource_type import FieldsT, ModelT
from issuer.revocations import Revocations
from issuer.roles import Assignments, Roles
from issuer.sign_in import Factors, Invitations
from issuer.sign_in.session_revoker import Consents, Sessions
from issuer.sign_in.sessions import SentForms
from issuer.tokens import TokenRevocations
from issuer.trusted_issuers import TrustedIssuers
from issuer.users import Users
from issuer.verifiers import KnownVerifiers
from issuer.vocabulary import SigningAlgorithm


@dataclass(frozen=True)
class DomainParts:
    """What domain objects are built from."""

    foundation: Foundation
    keys: KeyParts
    tokens: TokenParts
    sign_in: SignInParts
    factors: FactorParts


class UnitOfWork:
    """The domain objects of one transaction, which also has the audit events of their changes."""

    def __init__(
        self, session: Session, parts: DomainParts, actor: Actor, held: Iterable[str]
    ) -> None:
        self._session = session
        self._parts = parts
        self._settings = settings = parts.foundation.settings
        self._clock = clock = parts.foundation.clock
        self._random = parts.foundation.random
        self._trail = parts.foundation.trails.begin(session, actor)
        self.authority = Authority(
            session, settings.url, held, actor, users_sign_in=settings.users_sign_in_with_password
        )
        self.revocations = Revocations(session, clock)
        common = (session, self._trail, clock, self.authority, self.revocations)
        self.new_privileges = NewPrivileges(*common)
        self._transaction = Transaction(*common)

    def allow_unknown_scopes(self) -> None:
        """Allow scopes that look like a misspelled known one from now on."""
        self._transaction.unknown_scopes_allowed = True

    @property
    def unknown_scopes_allowed(self) -> bool:
        return self._transaction.unknown_scopes_allowed

    def check_invariants(self) -> None:
        """Check, at the end of a change, the rules that concern its result as a whole.

        Where somebody got rights at the issuer, what others gave ends or must be confirmed.
        """
        self.new_privileges.check_invariants()
        self.authority.check_invariants()
        self.revocations.check_invariants()

    def collection(
        self, resource_type: ResourceType[FieldsT, ModelT]
    ) -> Collection[Any, FieldsT, ModelT]:
        """The resources of this type: the attribute named by its plural."""
        found: Collection[Any, FieldsT, ModelT] = getattr(self, resource_type.attribute)
        return found

    @cached_property
    def audiences(self) -> Audiences:
        return Audiences(
            self._transaction,
            own_id=self._settings.url,
            algorithms=self._settings.signing_algorithms,
            announce_for=self._parts.keys.policy.announced_for,
        )

    @cached_property
    def roles(self) -> Roles:
        return Roles(self._transaction)

    @cached_property
    def clients(self) -> Clients:
        return Clients(self._transaction, self._random, self._parts.tokens.client_secrets)

    @cached_property
    def trusted_issuers(self) -> TrustedIssuers:
        return TrustedIssuers(self._transaction, self._settings.url)

    @cached_property
    def registrations(self) -> Registrations:
        return Registrations(self._session, self.clients, self._clock)

    @cached_property
    def rotations(self) -> Rotations:
        return Rotations(self.clients, self._clock)

    @cached_property
    def users(self) -> Users:
        return Users(self._transaction, self._random, self._parts.sign_in.counter_keys)

    @cached_property
    def factors(self) -> Factors:
        parts = self._parts.factors
        return Factors(self._transaction, self._random, parts.totp, parts.recovery_codes)

    @cached_property
    def invitations(self) -> Invitations:
        tokens, url = self._parts.factors.invitation_tokens, self._settings.url
        return Invitations(self._transaction, self.users, self.factors, tokens, url)

    @cached_property
    def sessions(self) -> Sessions:
        common = (self._session, self._trail, self._clock, self.authority)
        return Sessions(*common, self._session_lifetimes)

    @cached_property
    def consents(self) -> Consents:
        return Consents(self._session, self._trail, self._clock, self.authority)

    @cached_property
    def sent_forms(self) -> SentForms:
        return SentForms(self._session, self._clock, self._session_lifetimes)

    @property
    def _session_lifetimes(self) -> Lifetimes:
        return Lifetimes(self._settings.session_idle, self._settings.session_ttl)

    @cached_property
    def assignments(self) -> Assignments:
        return Assignments(self._session, self._trail, self.authority)

    @cached_property
    def token_revocations(self) -> TokenRevocations:
        reader = self._parts.tokens.any_reader
        rights = (self.authority, self.revocations)
        return TokenRevocations(self._trail, self._clock, *rights, reader)

    @cached_property
    def keys(self) -> Keys:
        return Keys(self._session, self._trail, self._clock)

    @cached_property
    def verifiers(self) -> KnownVerifiers:
        return KnownVerifiers(self._session, self.keys, self._clock)

    def rotate_key(self, alg: SigningAlgorithm, *, force: bool = False) -> SigningKey:
        """The next key of `alg` signs from now on; `NotYet` if it was announced too recently.

        `NotAllowed` while a live verifier lacks it or may lack it, unless `force`.
        """
        key = self.keys.rotatable(alg)
        if not force:
            self.verifiers.require_next_key(key)
            return self.keys.rotate(alg)
        details = {"verifiers_lacking": len(self.verifiers.lacking(key))}
        if left_out := self.verifiers.left_out_just_now():
            details["verifiers_left_out"] = left_out.number
        return self.keys.rotate(alg, **details)

    @cached_property
    def audit_log(self) -> AuditLog:
        return AuditLog(self._session)

    def change_issuer(self) -> None:
        """The database belongs to `ISSUER_URL` from now on."""
        change_issuer(self._session, self._settings.url)

    def change_count(self) -> int:
        """How many changes were committed when the transaction began."""
        return read_change_count(self._session)
