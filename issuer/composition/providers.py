"""Signing in at trusted issuers. Imports Authlib, httpx and PyJWT: only where it is first used."""

from issuer.composition.foundation import Foundation
from issuer.composition.tokens import TokenParts
from issuer.directory.records import TrustedIssuerRecord
from issuer.errors import ConfigurationError
from issuer.federation import FetchBudget, Fetcher
from issuer.federation.metadata import ProviderProblem
from issuer.federation.provider import Providers
from issuer.sign_in.provider_request import ProviderSecrets
from issuer.sign_in.provider_sign_in import ProviderSignIn

# A sign-in takes two or three requests; all people of a company may come within a few minutes.
_A_MINUTE, _AT_ONCE = 6_000, 64


def build_provider_sign_in(
    foundation: Foundation, tokens: TokenParts, secrets: ProviderSecrets
) -> ProviderSignIn:
    """Shares the key sets of trusted issuers with the assertions of clients, but no fetches."""
    clock = foundation.clock
    budget = FetchBudget(clock, a_minute=_A_MINUTE, of_a_host=_A_MINUTE, at_once=_AT_ONCE)

    def secret_of(issuer: TrustedIssuerRecord) -> str | None:
        box = issuer.sign_in.sealed_secret if issuer.sign_in else None
        try:
            return None if box is None else secrets.open(issuer.id, box)
        except ConfigurationError as error:
            raise ProviderProblem(str(error)) from None

    return ProviderSignIn(
        foundation.settings.url,
        Providers(Fetcher(), budget, clock.monotonic),
        tokens.client_assertions.trusted_tokens.verified_claims,
        secret_of,
        clock,
    )
