"""A new password that somebody typed twice."""

from collections.abc import Mapping

from issuer.errors import InvalidField
from issuer.users import check_policy

FIELD = "new_password"


def allowed_password(form: Mapping[str, str], username: str) -> str:
    """The new password in the form; `InvalidField` names the field.

    For a worker thread, and before any hash: a password that is refused costs little.
    """
    text = form.get(FIELD, "")
    if text != form.get("repeated", ""):
        raise InvalidField("repeated", "This is not the same. Enter the new password twice.")
    if text == form.get("password"):
        raise InvalidField(FIELD, "Choose a password other than the current one.")
    try:
        check_policy(text, username)
    except InvalidField as error:
        raise as_field(error) from None
    return text


def as_field(error: InvalidField) -> InvalidField:
    """The error of the password policy, as a sentence at the field of the form."""
    return InvalidField(FIELD, f"The password {error.message}.")
