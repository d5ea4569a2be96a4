"""One administrative transaction."""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from random import Random
from typing import Any

from issuer.audiences import Audiences
from issuer.audit import Actor, Trails
from issuer.audit.audit_log_store import AuditLog
from issuer.authority import Authority, NewPrivileges
from issuer.clients import Clients, Registrations, Rotations, SecretMaker
from issuer.clock import Clock
from issuer.database import Session
from issuer.database.counts import read_change_count
from issuer.database.deployment import change_issuer
from issuer.fields.secret_text import SecretTexts
from issuer.keys import KeyPolicy, Keys, SigningKey
from issuer.refresh_tokens import Lifetimes
from issuer.resources import Collection, ResourceType, Transaction
from issuer.resources.resource_type import FieldsT, ModelT
from issuer.revocations import Revocations
from issuer.roles import Assignments, Roles
from issuer.settings import Settings
from issuer.sign_in import Factors, Invitations, RecoveryCodes, TotpSecrets
from issuer.sign_in.session_revoker import Consents, Sessions
from issuer.sign_in.sessions import SentForms
from issuer.tokens import TokenReader, TokenRevocations
from issuer.trusted_issuers import TrustedIssuers
from issuer.users import CounterKeys, Users
from issuer.verifiers.known_verifiers import KnownVerifiers
from issuer.vocabulary import SigningAlgorithm


@dataclass(frozen=True)
class DomainParts:
    """What domain objects are built from."""

    settings: Settings
    clock: Clock
    random: Random
    trails: Trails
    key_policy: KeyPolicy
    client_secrets: SecretMaker
    token_reader: TokenReader
    counter_keys: CounterKeys
    totp: TotpSecrets
    recovery_codes: RecoveryCodes
    invitation_tokens: SecretTexts


class UnitOfWork:
    """The domain objects of one transaction, each built when it is first used.

    Each writes the audit events of its changes into the same transaction.
    """

    def __init__(
        self, session: Session, parts: DomainParts, actor: Actor, held: Iterable[str]
    ) -> None:
        self._session = session
        self._parts = parts
        self._settings = settings = parts.settings
        self._clock = clock = parts.clock
        self._random = parts.random
        self._trail = parts.trails.begin(session, actor)
        self.authority = Authority(
            session, settings.url, held, actor, users_sign_in=settings.users_sign_in_with_password
        )
        self.revocations = Revocations(session, clock)
        self.new_privileges = NewPrivileges(
            session, self._trail, clock, self.authority, self.revocations
        )
        self._transaction = Transaction(
            session, self._trail, clock, self.authority, self.revocations
        )

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
            announce_for=self._parts.key_policy.announced_for,
        )

    @cached_property
    def roles(self) -> Roles:
        return Roles(self._transaction)

    @cached_property
    def clients(self) -> Clients:
        return Clients(self._transaction, self._random, self._parts.client_secrets)

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
        return Users(self._transaction, self._random, self._parts.counter_keys)

    @cached_property
    def factors(self) -> Factors:
        return Factors(
            self._transaction,
            self._random,
            self._parts.totp,
            self._parts.recovery_codes,
        )

    @cached_property
    def invitations(self) -> Invitations:
        tokens = self._parts.invitation_tokens
        url = self._settings.url
        return Invitations(self._transaction, self.users, self.factors, tokens, url)

    @cached_property
    def sessions(self) -> Sessions:
        lifetimes, clock = self._session_lifetimes, self._clock
        return Sessions(self._session, self._trail, clock, self.authority, lifetimes)

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
        return TokenRevocations(
            self._trail,
            self._clock,
            self.authority,
            self.revocations,
            self._parts.token_reader,
        )

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
