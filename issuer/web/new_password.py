"""A new password that somebody typed twice."""

from collections.abc import Mapping

from issuer.errors import InvalidField
from issuer.users import NewPassword, Passwords

FIELD = "new_password"


def prepared_password(passwords: Passwords, form: Mapping[str, str]) -> NewPassword:
    """Hashed, for a worker thread; `InvalidField` names the field of the form."""
    text = form.get(FIELD, "")
    if text != form.get("repeated", ""):
        raise InvalidField("repeated", "This is not the same. Enter the new password twice.")
    try:
        return passwords.prepared(text)
    except InvalidField as error:
        raise as_field(error) from None


def as_field(error: InvalidField) -> InvalidField:
    """The error of the password policy, as a sentence at the field of the form."""
    return InvalidField(FIELD, f"The password {error.message}.")
