"""Users: resource owners with a password (RFC 6749 §1.1)."""

from issuer.users.passwords import NewPassword, Passwords
from issuer.users.sign_in import SignIn
from issuer.users.user import PasswordFields, User, UserFields
from issuer.users.users import Users

__all__ = ["NewPassword", "PasswordFields", "Passwords", "SignIn", "User", "UserFields", "Users"]
