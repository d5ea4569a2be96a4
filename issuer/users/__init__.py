"""Users: people who sign in (RFC 6749 §1.1, resource owners).

`AttemptGuard` keeps passwords from being guessed, by the `AttemptPolicy` of `attempts.py`.
"""

from issuer.users.guard import waiting_for_others
from issuer.users.passwords import NewPassword, SignIn, check_policy
from issuer.users.user import USER, PasswordFields, User, UserFields

__all__ = [
    "USER",
    "NewPassword",
    "PasswordFields",
    "SignIn",
    "User",
    "UserFields",
    "check_policy",
    "waiting_for_others",
]
