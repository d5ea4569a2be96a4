"""Users: people who sign in (RFC 6749 §1.1, resource owners).

`AttemptGuard` keeps passwords from being guessed, by the `AttemptPolicy` of `attempts.py`.
"""

from issuer.users.passwords import NewPassword
from issuer.users.user import USER, User, UserFields

__all__ = ["USER", "NewPassword", "User", "UserFields"]
