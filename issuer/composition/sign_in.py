"""How users sign in, and what lasts: requests, sessions, consents and authorization codes."""

import secrets
from collections.abc import Callable
from datetime import datetime
from urllib.parse import urlsplit

from issuer.audit import Actor
from issuer.composition.foundation import Foundation
from issuer.composition.mail import MailParts
from issuer.composition.tokens import TokenParts, see_own_change
from issuer.directory import ClientRecord, Directory
from issuer.fields.secret_text import CODE, DEVICE_CODE, INVITATION, SESSION, SecretTexts
from issuer.keys import Keyring
from issuer.keys import sealed_secrets_store as purposes
from issuer.keys.sealing import SealedTexts, Sealer
from issuer.refresh_tokens import Lifetimes
from issuer.sign_in.authorization_request import (
    AuthorizationRequest,
    AuthorizationRequests,
    RequestDigest,
)
from issuer.sign_in.challenges import PasskeyChallenges
from issuer.sign_in.codes import AuthorizationCodes
from issuer.sign_in.device_codes import PAGE as DEVICE_PAGE
from issuer.sign_in.device_codes import DeviceCodes
from issuer.sign_in.factors_store import FactorStore
from issuer.sign_in.flow import AuthorizationFlow
from issuer.sign_in.link_tokens import LinkTokens
from issuer.sign_in.logout import LogoutRequest, LogoutRequests
from issuer.sign_in.offer import Offers
from issuer.sign_in.passkey_sign_in import PasskeySignIn
from issuer.sign_in.passkeys import Passkeys
from issuer.sign_in.provider_request import ProviderRequest, ProviderRequests, ProviderSecrets
from issuer.sign_in.provider_sign_out import ProviderSignOut
from issuer.sign_in.second_factor import RecoveryCodes, SecondFactor, TotpSecrets
from issuer.sign_in.sessions import SignInSessions
from issuer.sign_in.validation import Validation
from issuer.token_exchange import IdJags
from issuer.tokens.reading import IdTokenReader
from issuer.users.attempts import AttemptPolicy
from issuer.users.attempts_store import CounterKeys
from issuer.users.guard import AttemptGuard
from issuer.users.passwords import Passwords, SignIn
from issuer.vocabulary import MAX_CLOCK_SKEW


class SignInParts:
    """How passwords are checked."""

    def __init__(self, foundation: Foundation, directory: Directory, mail: MailParts) -> None:
        settings, database = foundation.settings, foundation.database
        self.passwords = Passwords(settings.password_hash, settings.password_workers)
        self.counter_keys = CounterKeys(foundation.derive(purposes.SIGN_IN_ATTEMPTS))
        self.guard = AttemptGuard(
            database,
            foundation.trails,
            foundation.clock,
            AttemptPolicy(settings.sign_in_failures, settings.sign_in_lock),
            self.counter_keys,
            foundation.metrics,
            mail.new_places.note_sign_in if mail.new_places else None,
        )
        required = settings.second_factor == "required"
        self.sign_in = SignIn(
            database, directory, self.passwords, self.guard, second_factor_required=required
        )


class FactorParts:
    """Second factors, passkeys, invitations, and secrets for accounts at trusted issuers."""

    def __init__(self, foundation: Foundation, directory: Directory, guard: AttemptGuard) -> None:
        url, clock, random = foundation.settings.url, foundation.clock, foundation.random
        derived = foundation.derive
        # Under a key that is itself sealed: changing the master key rewraps that one alone.
        totp_key, provider_key = (
            derived(each) for each in (purposes.TOTP_SECRETS, purposes.PROVIDER_SECRETS)
        )
        totp_sealer = Sealer(lambda: [totp_key], secrets.token_bytes)
        self.provider_secrets = ProviderSecrets(Sealer(lambda: [provider_key], secrets.token_bytes))
        self.foundation = foundation
        self.totp = TotpSecrets(totp_sealer, random, urlsplit(url).hostname or url)
        self.recovery_codes = RecoveryCodes(derived(purposes.RECOVERY_CODES), random)
        challenges = PasskeyChallenges(derived(purposes.PASSKEY_CHALLENGES), clock, random)
        self.passkeys = Passkeys(url, challenges, derived(purposes.PASSKEY_HANDLES))
        self.password_reset_links = LinkTokens(derived(purposes.PASSWORD_RESETS))
        self.email_change_links = LinkTokens(derived(purposes.EMAIL_CHANGES))
        self.invitation_tokens = SecretTexts(INVITATION, derived(purposes.INVITATIONS), random)
        checking = (foundation.database, clock, directory, guard)
        self.second_factor = SecondFactor(
            *checking, foundation.trails, self.totp, self.recovery_codes
        )
        self.passkey_sign_in = PasskeySignIn(*checking, self.passkeys)

    def delete_expired(self) -> None:
        """Delete challenges and invitations that nothing can be done with any more."""
        now = self.foundation.clock()
        with self.foundation.database.transaction() as session:
            # A process whose clock is behind may still recognise a challenge.
            FactorStore(session).delete_expired(now - MAX_CLOCK_SKEW)


class PeopleParts:
    """What protocol endpoints and pages share for people who sign in."""

    def __init__(
        self,
        foundation: Foundation,
        tokens: TokenParts,
        keyring: Keyring,
        keep_client: Callable[[ClientRecord, Actor], None],
    ) -> None:
        settings, clock, database = foundation.settings, foundation.clock, foundation.database
        random, derived, trails = foundation.random, foundation.derive, foundation.trails
        url, find_client = settings.url, tokens.client_documents.find

        def poll() -> None:
            see_own_change(tokens.changes)

        requests = SealedTexts(derived(purposes.AUTHORIZATION_REQUESTS), random)
        pushed = SealedTexts(derived(purposes.PUSHED_REQUESTS), random)
        logouts = SealedTexts(derived(purposes.LOGOUT_REQUESTS), random)
        at_providers = SealedTexts(derived(purposes.PROVIDER_REQUESTS), random)
        sign_outs = SealedTexts(derived(purposes.PROVIDER_SIGN_OUTS), random)
        id_tokens = IdTokenReader(url, keyring)
        codes = SecretTexts(CODE, derived(purposes.AUTHORIZATION_CODES), random)
        self.requests = AuthorizationRequests(requests, pushed, clock, random)
        self.logout_requests = LogoutRequests(logouts, clock, random, id_tokens, find_client)
        self.provider_requests = ProviderRequests(at_providers, database, clock, random)
        self.provider_sign_out = ProviderSignOut(url, tokens.directory, sign_outs)
        self.validation = Validation(url, clock, self.requests, find_client, id_tokens)
        self.sessions = SignInSessions(
            url,
            database,
            tokens.directory,
            trails,
            clock,
            random,
            SecretTexts(SESSION, derived(purposes.SESSIONS), random),
            Lifetimes(settings.session_idle, settings.session_ttl),
            poll,
            second_factor_required=settings.second_factor == "required",
        )
        offers = Offers(url, clock, tokens.directory, find_client, settings.fresh_sign_in)
        self.flow = AuthorizationFlow(url, database, trails, clock, offers, keep_client, codes)
        self.codes = AuthorizationCodes(database, trails, clock, codes, tokens.refresh_tokens, poll)
        self.id_jags = IdJags(
            database,
            tokens.directory,
            trails,
            clock,
            id_tokens,
            tokens.exchanges,
            self.sessions.lifetimes,
            settings.signing_algorithms[0],
        )
        self.device_codes = DeviceCodes(
            url + DEVICE_PAGE,
            database,
            trails,
            clock,
            random,
            self.requests,
            SecretTexts(DEVICE_CODE, derived(purposes.DEVICE_CODES), random),
            derived(purposes.USER_CODES),
        )

    def request_began_at(self, cookie: str, value: str) -> datetime | None:
        """When the request that a cookie of this name keeps began; None if it has expired."""
        # Imported here: it needs Starlette, and commands have no cookies.
        from issuer.http.cookies import LOGOUT_REQUEST, PROVIDER_REQUEST  # noqa: PLC0415 - 3.0 MB

        kept: AuthorizationRequest | RequestDigest | LogoutRequest | ProviderRequest | None
        if cookie.startswith(LOGOUT_REQUEST):
            kept = self.logout_requests.open(value)
        elif cookie.startswith(PROVIDER_REQUEST):
            kept = self.provider_requests.open(value)
        else:
            kept = self.requests.digest_in(value) or self.requests.open(value)
        return kept.created_at if kept else None

    def delete_expired(self) -> None:
        """Delete what has expired or ended."""
        self.sessions.delete_expired()
        self.codes.delete_expired()
        self.device_codes.delete_expired()
