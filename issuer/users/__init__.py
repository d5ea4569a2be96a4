"""Users: people who sign in (RFC 6749 §1.1, resource owners), with limits on guessing passwords."""

from issuer.users.passwords import NewPassword
from issuer.users.user import USER, User, UserFields

__all__ = ["USER", "NewPassword", "User", "UserFields"]
