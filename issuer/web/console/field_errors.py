"""Errors of values, for the fields in which they were typed."""

from issuer.errors import InvalidField


def field_errors(error: InvalidField) -> dict[str, str]:
    """The first problem of each field; of a list, with the number of the line."""
    errors: dict[str, str] = {}
    for name, message in error.problems:
        field, _, line = name.partition(".")
        text = f"Line {int(line) + 1}: {message}" if line.isdigit() else message
        errors.setdefault(field, text)
    return errors
