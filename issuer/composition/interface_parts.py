"""What each interface uses: the few objects, by name."""

from dataclasses import dataclass

from issuer.audit import AuditWriter, GatheredRefusals
from issuer.clock import Clock
from issuer.composition.administration import Administration
from issuer.composition.people import PeopleParts
from issuer.composition.readiness import Readiness
from issuer.composition.tokens import TokenParts
from issuer.keys import Keyring
from issuer.settings import Settings
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
    refusals: GatheredRefusals
    administration: Administration
    verifiers: ReportedVerifiers


@dataclass(frozen=True)
class ProbeParts:
    """What the liveness and the readiness probe use."""

    settings: Settings
    clock: Clock
    audit_writer: AuditWriter
    readiness: Readiness
