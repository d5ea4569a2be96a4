"""All parts of one issuer, without what is made of them."""

from issuer.clock import Clock
from issuer.composition.administration import Administration
from issuer.composition.foundation import AuditParts, Foundation
from issuer.composition.mail import MailParts
from issuer.composition.sign_in import FactorParts, PeopleParts, SignInParts
from issuer.composition.tokens import KeyParts, TokenParts
from issuer.composition.unit_of_work import DomainParts
from issuer.keys.sealing import Sealer
from issuer.settings import Settings
from issuer.status.readiness import Readiness
from issuer.telemetry.tracing import Telemetry
from issuer.verifiers.reported import ReportedVerifiers


class Parts:
    """With shortcuts into the foundation. The database may belong to another issuer, or to none."""

    def __init__(
        self, settings: Settings, clock: Clock, sealer: Sealer, telemetry: Telemetry
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.telemetry = telemetry
        self.foundation = foundation = Foundation(settings, clock, sealer, telemetry)
        self.database = database = foundation.database
        self.keys = KeyParts(foundation)
        keyring = self.keys.keyring
        self.tokens = tokens = TokenParts(foundation, keyring)
        self.mail = MailParts(foundation)
        self.sign_in = SignInParts(foundation, tokens.directory, self.mail)
        self.factors = FactorParts(foundation, tokens.directory, self.sign_in.guard)
        self.administration = Administration(
            DomainParts(foundation, self.keys, tokens, self.sign_in, self.factors, self.mail)
        )
        self.people = PeopleParts(foundation, tokens, keyring, self.administration.keep_client)
        self.audit = AuditParts(foundation, keyring)
        self.verifiers = ReportedVerifiers(database, clock, settings.verifier_networks)
        self.readiness = Readiness(
            settings, clock, database, sealer, tokens.changes, keyring, self.audit.writer
        )
