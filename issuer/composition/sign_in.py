"""How users sign in: passwords, and the limits on guessing them."""

import secrets
from dataclasses import dataclass
from urllib.parse import urlsplit

from issuer.composition.foundation import Foundation
from issuer.directory import Directory
from issuer.keys.sealed_secrets_store import (
    INVITATIONS,
    PASSKEY_CHALLENGES,
    PASSKEY_HANDLES,
    RECOVERY_CODES,
    SIGN_IN_ATTEMPTS,
    TOTP_SECRETS,
    derived,
)
from issuer.keys.sealing import Sealer
from issuer.sign_in import Passkeys, PasskeySignIn, RecoveryCodes, SecondFactor, TotpSecrets
from issuer.sign_in.challenges import PasskeyChallenges
from issuer.sign_in.factors_store import FactorStore
from issuer.sign_in.secret_texts import INVITATION, SecretTexts
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
    counter_keys = CounterKeys(derived(foundation.hmac_key, SIGN_IN_ATTEMPTS))
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
    totp_key = derived(hmac_key, TOTP_SECRETS)
    totp = TotpSecrets(
        Sealer(lambda: [totp_key], secrets.token_bytes), random, urlsplit(url).hostname or url
    )
    recovery_codes = RecoveryCodes(derived(hmac_key, RECOVERY_CODES), random)
    challenges = PasskeyChallenges(derived(hmac_key, PASSKEY_CHALLENGES), clock, random)
    passkeys = Passkeys(url, challenges, derived(hmac_key, PASSKEY_HANDLES))
    checking = (foundation.database, clock, directory, sign_in.guard)
    return FactorParts(
        foundation,
        totp,
        recovery_codes,
        passkeys,
        SecretTexts(INVITATION, derived(hmac_key, INVITATIONS), random),
        SecondFactor(*checking, foundation.trails, totp, recovery_codes),
        PasskeySignIn(*checking, passkeys),
    )
