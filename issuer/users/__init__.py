"""Users: people who sign in (RFC 6749 §1.1, resource owners).

`AttemptGuard` keeps passwords from being guessed, by the `AttemptPolicy` of `attempts.py`.
"""

from issuer.users.attempts import AttemptPolicy
from issuer.users.attempts_store import CounterKeys
from issuer.users.guard import AttemptGuard, waiting_for_others
from issuer.users.passwords import NewPassword, Passwords, SignIn, check_policy
from issuer.users.user import USER, PasswordFields, User, UserFields
from issuer.users.users import Users

__all__ = [
    "USER",
    "AttemptGuard",
    "AttemptPolicy",
    "CounterKeys",
    "NewPassword",
    "PasswordFields",
    "Passwords",
    "SignIn",
    "User",
    "UserFields",
    "Users",
    "check_policy",
    "waiting_for_others",
]
