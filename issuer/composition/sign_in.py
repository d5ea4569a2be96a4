"""How users sign in, and what lasts: requests, sessions, consents and authorization codes."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from issuer.audit import Actor
from issuer.composition.foundation import Foundation
from issuer.composition.tokens import TokenParts, see_own_change
from issuer.directory import ClientRecord, Directory
from issuer.fields.secret_text import CODE, DEVICE_CODE, INVITATION, SESSION, SecretTexts
from issuer.keys import Keyring
from issuer.keys import sealed_secrets_store as purposes
from issuer.keys.sealed_secrets_store import derived
from issuer.keys.sealing import SealedTexts, Sealer
from issuer.refresh_tokens import Lifetimes
from issuer.sign_in import Passkeys, PasskeySignIn, RecoveryCodes, SecondFactor, TotpSecrets
from issuer.sign_in.authorization_request import AuthorizationRequests
from issuer.sign_in.challenges import PasskeyChallenges
from issuer.sign_in.codes import AuthorizationCodes
from issuer.sign_in.device_codes import PAGE as DEVICE_PAGE
from issuer.sign_in.device_codes import DeviceCodes
from issuer.sign_in.factors_store import FactorStore
from issuer.sign_in.flow import AuthorizationFlow
from issuer.sign_in.logout import LogoutRequests
from issuer.sign_in.offer import Offers
from issuer.sign_in.sessions import SignInSessions
from issuer.sign_in.validation import Validation
from issuer.tokens import IdTokenReader
from issuer.users import AttemptGuard, AttemptPolicy, CounterKeys, Passwords, SignIn
from issuer.vocabulary import MAX_CLOCK_SKEW


@dataclass(frozen=True)
class SignInParts:
    passwords: Passwords
    counter_keys: CounterKeys
    guard: AttemptGuard
    sign_in: SignIn


def build_sign_in(foundation: Foundation, directory: Directory) -> SignInParts:
    settings = foundation.settings
    counter_keys = CounterKeys(derived(foundation.hmac_key, purposes.SIGN_IN_ATTEMPTS))
    policy = AttemptPolicy(settings.sign_in_failures, settings.sign_in_lock)
    passwords = Passwords(settings.password_hash, settings.password_workers)
    guard = AttemptGuard(
        foundation.database,
        foundation.trails,
        foundation.clock,
        policy,
        counter_keys,
        foundation.metrics,
    )
    sign_in = SignIn(
        foundation.database,
        directory,
        passwords,
        guard,
        second_factor_required=settings.second_factor == "required",
    )
    return SignInParts(passwords, counter_keys, guard, sign_in)


@dataclass(frozen=True)
class FactorParts:
    foundation: Foundation
    totp: TotpSecrets
    recovery_codes: RecoveryCodes
    passkeys: Passkeys
    invitation_tokens: SecretTexts
    second_factor: SecondFactor
    passkey_sign_in: PasskeySignIn

    def delete_expired(self) -> None:
        """Delete challenges and invitations that nothing can be done with any more."""
        now = self.foundation.clock()
        with self.foundation.database.transaction() as session:
            # A process whose clock is behind may still recognise a challenge.
            FactorStore(session).delete_expired(now - MAX_CLOCK_SKEW)


def build_factors(
    foundation: Foundation, directory: Directory, sign_in: SignInParts
) -> FactorParts:
    url, clock, random = foundation.settings.url, foundation.clock, foundation.random
    hmac_key = foundation.hmac_key
    # Under a key that is itself sealed: changing the master key rewraps that one alone.
    totp_key = derived(hmac_key, purposes.TOTP_SECRETS)
    totp = TotpSecrets(
        Sealer(lambda: [totp_key], secrets.token_bytes), random, urlsplit(url).hostname or url
    )
    recovery_codes = RecoveryCodes(derived(hmac_key, purposes.RECOVERY_CODES), random)
    challenges = PasskeyChallenges(derived(hmac_key, purposes.PASSKEY_CHALLENGES), clock, random)
    passkeys = Passkeys(url, challenges, derived(hmac_key, purposes.PASSKEY_HANDLES))
    checking = (foundation.database, clock, directory, sign_in.guard)
    return FactorParts(
        foundation,
        totp,
        recovery_codes,
        passkeys,
        SecretTexts(INVITATION, derived(hmac_key, purposes.INVITATIONS), random),
        SecondFactor(*checking, foundation.trails, totp, recovery_codes),
        PasskeySignIn(*checking, passkeys),
    )


@dataclass(frozen=True)
class PeopleParts:
    """What protocol endpoints and pages share for people who sign in."""

    requests: AuthorizationRequests
    logout_requests: LogoutRequests
    validation: Validation
    sessions: SignInSessions
    flow: AuthorizationFlow
    codes: AuthorizationCodes
    device_codes: DeviceCodes

    def delete_expired(self) -> None:
        """Delete what has expired or ended."""
        self.sessions.delete_expired()
        self.codes.delete_expired()
        self.device_codes.delete_expired()


def build_people(
    foundation: Foundation,
    tokens: TokenParts,
    keyring: Keyring,
    keep_client: Callable[[ClientRecord, Actor], None],
) -> PeopleParts:
    settings, clock, database = foundation.settings, foundation.clock, foundation.database
    random, hmac_key, trails = foundation.random, foundation.hmac_key, foundation.trails
    directory, find_client = tokens.directory, tokens.client_documents.find

    def ended() -> None:
        see_own_change(tokens.changes)

    def sealed(purpose: str) -> SealedTexts:
        return SealedTexts(derived(hmac_key, purpose), random)

    requests = AuthorizationRequests(sealed(purposes.AUTHORIZATION_REQUESTS), clock, random)
    id_tokens = IdTokenReader(settings.url, keyring)
    codes = SecretTexts(CODE, derived(hmac_key, purposes.AUTHORIZATION_CODES), random)
    return PeopleParts(
        requests,
        LogoutRequests(sealed(purposes.LOGOUT_REQUESTS), clock, random, id_tokens, find_client),
        Validation(settings.url, clock, requests, find_client, id_tokens),
        SignInSessions(
            database,
            trails,
            clock,
            random,
            SecretTexts(SESSION, derived(hmac_key, purposes.SESSIONS), random),
            Lifetimes(settings.session_idle, settings.session_ttl),
            ended,
            second_factor_required=settings.second_factor == "required",
        ),
        AuthorizationFlow(
            settings.url,
            database,
            trails,
            clock,
            Offers(settings.url, clock, directory, find_client),
            keep_client,
            codes,
        ),
        AuthorizationCodes(database, trails, clock, codes, tokens.refresh_tokens, ended),
        DeviceCodes(
            settings.url + DEVICE_PAGE,
            database,
            trails,
            clock,
            random,
            requests,
            SecretTexts(DEVICE_CODE, derived(hmac_key, DEVICE_CODES), random),
            derived(hmac_key, USER_CODES),
        ),
    )
