"""All parts of one issuer, without what is made of them."""

from dataclasses import dataclass

from issuer.clock import Clock
from issuer.composition.administration import Administration
from issuer.composition.foundation import AuditParts, Foundation
from issuer.composition.sign_in import FactorParts, PeopleParts, SignInParts
from issuer.composition.tokens import KeyParts, TokenParts
from issuer.database import Database
from issuer.settings import Settings
from issuer.status.readiness import Readiness
from issuer.telemetry.tracing import Telemetry
from issuer.verifiers.reported import ReportedVerifiers


@dataclass(frozen=True)
class Parts:
    """With shortcuts into the foundation."""

    foundation: Foundation
    keys: KeyParts
    tokens: TokenParts
    sign_in: SignInParts
    factors: FactorParts
    people: PeopleParts
    audit: AuditParts
    administration: Administration
    verifiers: ReportedVerifiers
    readiness: Readiness

    @property
    def settings(self) -> Settings:
        return self.foundation.settings

    @property
    def clock(self) -> Clock:
        return self.foundation.clock

    @property
    def telemetry(self) -> Telemetry:
        return self.foundation.telemetry

    @property
    def database(self) -> Database:
        return self.foundation.database
