"""What each interface uses: the few objects, by name."""

from dataclasses import dataclass, field
from random import Random

from issuer.audit import AuditWriter, RefusalAggregator
from issuer.clock import Clock
from issuer.composition.administration import Administration
from issuer.composition.audit import AuditParts
from issuer.composition.foundation import Foundation
from issuer.composition.people import PeopleParts
from issuer.composition.sign_in import FactorParts, SignInParts
from issuer.composition.tokens import TokenParts
from issuer.directory import ChangeWatcher, Directory
from issuer.keys import Keyring
from issuer.keys.sealed_secrets_store import (
    ANTI_FORGERY,
    CONSOLE_KEPT_FORMS,
    CONSOLE_NOTICES,
    derived,
)
from issuer.settings import Settings
from issuer.sign_in.sealed_text import SealedTexts
from issuer.status import Readiness
from issuer.users import SignIn
from issuer.verifiers import ReportedVerifiers


@dataclass(frozen=True)
class ProtocolParts:
    """What the protocol endpoints use."""

    settings: Settings
    clock: Clock
    keyring: Keyring
    tokens: TokenParts
    sign_in: SignIn
    people: PeopleParts
    audit_writer: AuditWriter
    refusals: RefusalAggregator
    administration: Administration
    verifiers: ReportedVerifiers


@dataclass(frozen=True)
class ProbeParts:
    """What the liveness and the readiness probe use."""

    settings: Settings
    clock: Clock
    audit_writer: AuditWriter
    readiness: Readiness


@dataclass(frozen=True)
class WebParts:
    """What the pages use."""

    settings: Settings
    clock: Clock
    random: Random
    people: PeopleParts
    sign_in: SignInParts
    factors: FactorParts
    directory: Directory
    changes: ChangeWatcher
    administration: Administration
    audit: AuditParts
    readiness: Readiness
    notices: SealedTexts
    kept_forms: SealedTexts
    anti_forgery_key: bytes = field(repr=False)


def build_web(
    foundation: Foundation,
    tokens: TokenParts,
    people: PeopleParts,
    sign_in: SignInParts,
    factors: FactorParts,
    administration: Administration,
    audit: AuditParts,
    readiness: Readiness,
) -> WebParts:
    return WebParts(
        foundation.settings,
        foundation.clock,
        foundation.random,
        people,
        sign_in,
        factors,
        tokens.directory,
        tokens.changes,
        administration,
        audit,
        readiness,
        SealedTexts(derived(foundation.hmac_key, CONSOLE_NOTICES), foundation.random),
        SealedTexts(derived(foundation.hmac_key, CONSOLE_KEPT_FORMS), foundation.random),
        derived(foundation.hmac_key, ANTI_FORGERY),
    )
