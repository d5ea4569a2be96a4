"""Users in a CSV file (RFC 4180): what each line says, or all that is wrong, by line and column."""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import StringIO

from issuer.errors import InvalidField, IssuerError
from issuer.fields.text import did_you_mean, escape
from issuer.fields.usernames import fold_username
from issuer.users.user import UserFields

COLUMNS = ("username", "email", "name", "groups")
PROBLEM = "problem"  # why a user could not be imported: a column of the file that says so
_MAX_PROBLEMS = 1_000
_DELIMITERS = ",;\t"  # spreadsheets write what is usual in their language


class InvalidCsv(IssuerError):
    """A file that cannot be used. `str()` of it has one line for each problem."""

    def __init__(self, file: str, problems: Iterable[tuple[int, str, str]]) -> None:
        found = sorted(problems)
        lines = [
            f"{file}:{line}: {escape(f'{column}: ' if column else '')}{escape(message)}"
            for line, column, message in found[:_MAX_PROBLEMS]
        ]
        if len(found) > _MAX_PROBLEMS:
            lines.append(f"{file}: and {len(found) - _MAX_PROBLEMS} more")
        super().__init__("\n".join(lines))


@dataclass(frozen=True, slots=True)
class CsvUser:
    """A user as a line of the file has it; `groups` are names. `given` has no empty fields."""

    line: int
    username: str
    given: dict[str, str]
    groups: tuple[str, ...]

    @property
    def fields(self) -> UserFields:
        """The fields of a new user."""
        return UserFields.read({"username": self.username, **self.given})

    @property
    def values(self) -> dict[str, str]:
        """The columns, as the file has them."""
        return {"username": self.username, **self.given, "groups": ";".join(self.groups)}


def write_csv(failed: Iterable[tuple[CsvUser, str]]) -> str:
    """A file with these users, each with its problem, that can be corrected and read again."""
    text = StringIO()
    writer = csv.DictWriter(text, [*COLUMNS, PROBLEM])  # not for a spreadsheet: names stay as given
    writer.writeheader()
    writer.writerows({**user.values, PROBLEM: escape(problem)} for user, problem in failed)
    return text.getvalue()


def read_csv(source: bytes, file: str) -> list[CsvUser]:
    """The users in the order of their lines; `InvalidCsv`.

    The first line names the columns, of which only `username` must be there; `problem` is
    ignored. Groups are separated by semicolons or commas. No field is a formula.
    """
    try:
        text = source.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = source[: error.start].count(b"\n") + 1
        raise InvalidCsv(file, [(line, "", "is not UTF-8")]) from None
    first = text.partition("\n")[0]
    delimiter = max(_DELIMITERS, key=first.count)
    problems: list[tuple[int, str, str]] = []
    users: list[CsvUser] = []
    lines = _lines(text, delimiter, problems)
    columns = _columns(next(lines, (1, [])), problems)
    for line, values in lines if not problems else ():
        if len(values) > len(columns):
            problems.append((line, "", f"has {len(values)} fields, but {len(columns)} columns"))
        elif any(values):
            users.append(_user(line, dict(zip(columns, values, strict=False))))
    problems += _wrong(users)
    if problems:
        raise InvalidCsv(file, problems)
    return users


def _lines(
    text: str, delimiter: str, problems: list[tuple[int, str, str]]
) -> Iterator[tuple[int, list[str]]]:
    """Each record, trimmed, with the number of its first line."""
    reader = csv.reader(StringIO(text, newline=""), delimiter=delimiter, strict=True)
    line = 1
    try:
        for values in reader:
            yield line, [each.strip() for each in values]
            line = reader.line_num + 1
    except csv.Error as error:
        problems.append((line, "", f"cannot be read: {error}"))


def _columns(header: tuple[int, list[str]], problems: list[tuple[int, str, str]]) -> list[str]:
    line, names = header
    columns = [each.lower() for each in names]
    for name in columns:
        if name not in (*COLUMNS, PROBLEM):
            meant = did_you_mean(name, COLUMNS) or f" Columns are {', '.join(COLUMNS)}."
            problems.append((line, name or '""', f"is not a known column.{meant}"))
        elif columns.count(name) > 1:
            problems.append((line, name, "is there twice"))
    if "username" not in columns:
        problems.append((line, "username", "is missing"))
    return columns


def _user(line: int, values: dict[str, str]) -> CsvUser:
    given = {name: values[name] for name in ("email", "name") if values.get(name)}
    groups = values.get("groups", "").replace(",", ";").split(";")
    names = dict.fromkeys(name for each in groups if (name := each.strip()))
    return CsvUser(line, values.get("username", ""), given, tuple(names))


def _wrong(users: list[CsvUser]) -> Iterator[tuple[int, str, str]]:
    first: dict[str, int] = {}
    for each in users:
        if not each.username:
            yield each.line, "username", "is missing"
            continue
        try:
            _ = each.fields
        except InvalidField as error:
            for name, message in error.problems:
                yield each.line, name, message
        known = first.setdefault(fold_username(each.username), each.line)
        if known != each.line:
            yield each.line, "username", f"is the same user as on line {known}"
