"""All parts of one issuer, without what is made of them."""

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from issuer.clock import Clock
from issuer.composition.administration import Administration
from issuer.composition.foundation import AuditParts, Foundation
from issuer.composition.mail import MailParts
from issuer.composition.sign_in import FactorParts, PeopleParts, SignInParts
from issuer.composition.tokens import KeyParts, TokenParts
from issuer.composition.unit_of_work import DomainParts
from issuer.deliveries.logouts_store import LOGOUT
from issuer.deliveries.sender import Sender
from issuer.federation import Fetcher
from issuer.keys.sealing import Sealer
from issuer.settings import Settings
from issuer.sign_in.logout_tokens import LogoutTokens
from issuer.status.readiness import Readiness
from issuer.telemetry.tracing import Telemetry
from issuer.verifiers.known_verifiers import ReportedVerifiers

if TYPE_CHECKING:
    from issuer.federation.key_source import KeySource
    from issuer.federation.provider import ProviderFailure
    from issuer.sign_in.provider_sign_in import ProviderSignIn
    from issuer.sign_in.provider_signals import ProviderSignals


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

    @cached_property
    def provider_sign_in(self) -> "ProviderSignIn":
        """Built when it is first used: few deployments have such trusted issuers."""
        from issuer.composition.providers import build_provider_sign_in  # noqa: PLC0415 - 7.9 MB

        secrets = self.factors.provider_secrets
        return build_provider_sign_in(self.foundation, self.tokens, secrets)

    @cached_property
    def deliveries(self) -> Sender:
        """What sends messages to other servers."""
        foundation, default_alg = self.foundation, self.settings.signing_algorithms[0]
        to_clients = LogoutTokens(
            self.settings.url, self.tokens.directory, self.keys.keyring, self.clock, default_alg
        )
        return Sender(
            self.database,
            foundation.trails,
            self.clock,
            foundation.random,
            Fetcher(),
            {LOGOUT: to_clients},
        )

    def provider_failures(self) -> "Mapping[KeySource, ProviderFailure]":
        """The providers whose last request failed; none before anybody signed in at one."""
        return self.provider_sign_in.failures if "provider_sign_in" in vars(self) else {}

    @cached_property
    def provider_signals(self) -> "ProviderSignals":
        """What reads tokens of trusted issuers about people; built when first used."""
        from issuer.sign_in.provider_signals import ProviderSignals  # noqa: PLC0415 - 7.9 MB

        verified_claims = self.tokens.client_assertions.trusted_tokens.verified_claims
        return ProviderSignals(self.settings.url, verified_claims, self.clock)
