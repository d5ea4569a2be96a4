"""How users sign in: passwords, and the limits on guessing them."""

from dataclasses import dataclass

from issuer.composition.foundation import Foundation
from issuer.directory import Directory
from issuer.keys.sealed_secrets_store import SIGN_IN_ATTEMPTS, derived
from issuer.users import AttemptGuard, AttemptPolicy, Marks, Passwords, SignIn


@dataclass(frozen=True)
class SignInParts:
    passwords: Passwords
    marks: Marks
    guard: AttemptGuard
    sign_in: SignIn


def build_sign_in(foundation: Foundation, directory: Directory) -> SignInParts:
    settings = foundation.settings
    marks = Marks(derived(foundation.hmac_key, SIGN_IN_ATTEMPTS))
    policy = AttemptPolicy(settings.sign_in_failures, settings.sign_in_lock)
    passwords = Passwords(settings.password_hash, settings.password_workers)
    guard = AttemptGuard(
        foundation.database,
        foundation.trails,
        foundation.clock,
        policy,
        marks,
        foundation.metrics,
    )
    sign_in = SignIn(
        foundation.database,
        directory,
        passwords,
        guard,
        second_factor_required=settings.second_factor == "required",
    )
    return SignInParts(passwords, marks, guard, sign_in)
