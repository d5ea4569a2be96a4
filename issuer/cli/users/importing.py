"""`issuer user import`."""

from dataclasses import asdict, astuple, dataclass, field
from itertools import chain
from pathlib import Path
from typing import Annotated, Any

import typer

from issuer.cli import output
from issuer.cli.command import argument, content_of, flag, wants_json, write_file
from issuer.cli.confirming import Yes, confirming
from issuer.cli.opening import administering, changing, operator, reading
from issuer.composition import Administration, UnitOfWork
from issuer.errors import IssuerError, NotAllowed, NotFound, Unavailable
from issuer.fields.usernames import fold_username
from issuer.manifest.changes import Action, Change, changes
from issuer.manifest.entries import Resource, bare
from issuer.manifest.problems import quote
from issuer.users import USER, UserFields
from issuer.users.csv_file import CsvUser, InvalidCsv, read_csv, write_csv

File = Annotated[
    str, argument("FILE", "A CSV file with the columns username, email, name, groups.")
]
PART = 500
_MAX_BYTES = 256 * 1024 * 1024
_SHOWN = 60  # lines of changes


def import_users(
    file: File,
    update: bool = flag("--update", "Also change users that exist, as the file has them."),
    dry_run: bool = flag("--dry-run", "Only show what would change."),
    yes: Yes = False,
) -> None:
    """Create users from a CSV file. Shows what it would change, and asks first.

    The first line names the columns: username, and optionally email, name and groups (names of
    existing groups, separated by semicolons). Existing users are not changed. With --update they
    are, but an empty field changes nothing, and nobody is removed from a group. New users cannot
    sign in before a password is set or an invitation accepted.

    Up to 500 users are imported completely or not at all, more in parts of 500. Users of a large
    file who cannot be imported are written to FILE with the ending .failed.csv, each with the
    reason: correct that file and import it.

    Examples:

      issuer user import people.csv --dry-run
      issuer user import people.csv --yes
      issuer user import people.csv --update --yes --json
    """
    try:
        users = read_csv(content_of(file, _MAX_BYTES), file)
        if len(users) > PART:
            PartedImport(users, file, update=update).run(dry_run=dry_run, yes=yes)
            return
        if dry_run:
            with reading() as work:
                plan = _plan_of(work, users, file, update=update)
        else:
            plan = _imported(users, file, update=update, yes=yes)
    except InvalidCsv as refused:
        for line in str(refused).splitlines():
            typer.echo(line, err=True)
        raise typer.Exit(1) from None
    if wants_json.get():
        output.print_json({"dry_run": dry_run, **plan.as_json()})
        return
    if dry_run or yes or not plan:  # else it was shown with the question
        plan.show()
    if not dry_run:
        done = f"Done: {plan.counts.in_words('created', 'updated', 'made')}."
        print(done if plan else "There was nothing to change.")


def _imported(users: list[CsvUser], file: str, *, update: bool, yes: bool) -> "_Plan":
    already: list[str] = []
    for confirmation in confirming(yes=yes):
        with confirmation, changing() as work:
            plan = _plan_of(work, users, file, update=update)
            plan.apply(work)
            work.check_invariants()  # now, so that nobody is asked for what is refused
            if not (yes or wants_json.get() or plan.lines == already):
                already = plan.lines
                plan.show()
            confirmation.require(*plan.counts.losses)
    return plan


@dataclass(frozen=True, slots=True)
class ImportCounts:
    """How many users are created, updated and stay as they are, and how many join a group."""

    created: int = 0
    updated: int = 0
    joined: int = 0
    unchanged: int = 0

    def __add__(self, other: "ImportCounts") -> "ImportCounts":
        pairs = zip(astuple(self), astuple(other), strict=True)
        return ImportCounts(*(one + more for one, more in pairs))

    @property
    def losses(self) -> list[str]:
        """What is to be confirmed."""
        return self._parts("create", "update", "make")

    def in_words(self, *verbs: str) -> str:
        return ", ".join(self._parts(*verbs)) or "nothing"

    def _parts(self, create: str, update: str, make: str) -> list[str]:
        counted = [
            (create, self.created, "user"),
            (update, self.updated, "user"),
            (make, self.joined, "group membership"),
        ]
        return [f"{verb} {n:,} {what}{'s' * (n > 1)}" for verb, n, what in counted if n]


class PartedImport:
    """Imports many users, `PART` of them in one transaction."""

    def __init__(self, users: list[CsvUser], file: str, *, update: bool) -> None:
        self._parts = [users[i : i + PART] for i in range(0, len(users), PART)]
        self._total, self._file, self._update = len(users), file, update
        self._failed: list[tuple[CsvUser, str]] = []
        self._done = ImportCounts()

    def run(self, *, dry_run: bool, yes: bool) -> None:
        """`InvalidCsv` for groups that do not exist; exit status 1 if some were not imported."""
        path = Path(self._file).with_suffix(".failed.csv")
        if path.exists() and not dry_run:
            raise NotAllowed(f"{path} exists, of an earlier import: rename or delete it.")
        planned = self._plan()
        if dry_run:
            would = planned.in_words("create", "update", "make")
            self._say(f"This would {would}.", planned, dry_run=True)
            return
        for confirmation in confirming(yes=yes):
            with confirmation:
                confirmation.require(*planned.losses)
        try:
            self._import()
        finally:
            if self._failed:
                write_file(path, write_csv(self._failed))
            failed = f" Failed: {len(self._failed):,}, see {path}." * bool(self._failed)
            done = self._done.in_words("created", "updated", "made")
            self._say(f"Done: {done}.{failed}", self._done, failed=len(self._failed))
        if self._failed:
            raise typer.Exit(1)

    def _plan(self) -> ImportCounts:
        with reading() as work, output.progress("Comparing", self._total) as advance:
            _require_groups(work, self._parts, self._file)
            planned = ImportCounts()
            for part in self._parts:
                planned += _plan_of(work, part, self._file, update=self._update).counts
                advance(len(part))
        return planned

    def _import(self) -> None:
        """Users of a part that is refused are imported one by one."""
        with (
            administering() as administration,
            output.progress("Importing", self._total) as advance,
        ):
            for part in self._parts:
                try:
                    self._done += self._change(administration, part)
                except Unavailable:
                    raise
                except IssuerError:
                    for user in part:
                        self._import_one(administration, user)
                advance(len(part))

    def _import_one(self, administration: Administration, user: CsvUser) -> None:
        try:
            self._done += self._change(administration, [user])
        except Unavailable:
            raise
        except IssuerError as error:
            self._failed.append((user, str(error)))

    def _change(self, administration: Administration, users: list[CsvUser]) -> ImportCounts:
        with administration.changing(operator()) as work:
            plan = _plan_of(work, users, self._file, update=self._update)
            plan.apply(work)
        return plan.counts

    def _say(self, sentence: str, counts: ImportCounts, **more: object) -> None:
        output.say(sentence, {**asdict(counts), **more})


def _require_groups(work: UnitOfWork, parts: list[list[CsvUser]], file: str) -> None:
    """`InvalidCsv` names groups that do not exist, each once."""
    first: dict[str, int] = {}
    for user in chain.from_iterable(parts):
        for name in user.groups:
            first.setdefault(name, user.line)
    problems = []
    for name, line in first.items():
        try:
            work.groups.get_by_name(name)
        except NotFound as error:
            problems.append((line, "groups", str(error)))
    if problems:
        raise InvalidCsv(file, problems)


@dataclass
class _Plan:
    """What is to be done, and how many users stay as they are.

    `joining` are the user names by group, in the order of the file.
    """

    steps: list[Change] = field(default_factory=list)
    joining: dict[str, list[str]] = field(default_factory=dict)
    unchanged: int = 0

    def __bool__(self) -> bool:
        return bool(self.steps or self.joining)

    @property
    def counts(self) -> ImportCounts:
        created = sum(each.action is Action.CREATE for each in self.steps)
        joined = sum(map(len, self.joining.values()))
        return ImportCounts(created, len(self.steps) - created, joined, self.unchanged)

    def apply(self, work: UnitOfWork) -> None:
        for step in self.steps:
            assert isinstance(step.fields, UserFields)
            if step.action is Action.CREATE:
                work.users.create(step.fields)
            else:
                work.users.replace(str(step.resource.id), step.fields)
        for group, usernames in self.joining.items():
            ids = work.users.ids_by_username({*map(fold_username, usernames)})
            work.groups.add_members(work.groups.get_by_name(group).id, ids.values())

    def show(self) -> None:
        for line in self.lines[:_SHOWN]:
            output.print_text(line)
        if (more := len(self.lines) - _SHOWN) > 0:
            print(f"and {more:,} more lines: --json prints all changes.")

    @property
    def lines(self) -> list[str]:
        lines = [line for step in self.steps for line in step.lines()]
        lines += [
            f"+ add user {quote(each)} to group {quote(group)}"
            for group, usernames in self.joining.items()
            for each in usernames
        ]
        if self.unchanged == 1:
            lines.append("1 user stays as it is.")
        elif self.unchanged:
            lines.append(f"{self.unchanged:,} users stay as they are.")
        return lines

    def as_json(self) -> dict[str, Any]:
        return {
            "changes": [each.as_json() for each in self.steps],
            "memberships": [
                {"group": group, "username": each}
                for group, usernames in self.joining.items()
                for each in usernames
            ],
            "unchanged": self.unchanged,
        }


def _plan_of(work: UnitOfWork, users: list[CsvUser], file: str, *, update: bool) -> _Plan:
    """`InvalidCsv` names groups that do not exist."""
    plan, problems = _Plan(), []
    groups: dict[str, tuple[str, set[str]]] = {}
    existing = _existing(work, users)
    for each in users:
        before = existing.get(fold_username(each.username))
        if before is not None and not update:
            plan.unchanged += 1
            continue
        resource = Resource(USER.kind, before.id if before else None, each.username)
        steps = list(changes(resource, before, _fields_of(each, before)))
        plan.steps += steps
        is_joining = False
        for name in each.groups:
            try:
                group, members = groups[name] = groups.get(name) or _group(work, name)
            except NotFound as error:
                problems.append((each.line, "groups", str(error)))
                continue
            if before is None or before.id not in members:
                plan.joining.setdefault(group, []).append(each.username)
                is_joining = True
        plan.unchanged += not steps and not is_joining
    if problems:
        raise InvalidCsv(file, problems)
    return plan


def _existing(work: UnitOfWork, users: list[CsvUser]) -> dict[str, UserFields]:
    """The users of the file that exist already, by folded name."""
    ids = work.users.ids_by_username({fold_username(each.username) for each in users})
    found = work.users.named(ids.values())
    return {fold_username(each.username): bare(UserFields, each) for each in found}


def _fields_of(user: CsvUser, before: UserFields | None) -> UserFields:
    if before is None:
        return user.fields
    changed = user.given.get("email", before.email) != before.email
    unverified = {"email_verified": False} if changed else {}
    return before.model_copy(update={**user.given, **unverified})


def _group(work: UnitOfWork, name: str) -> tuple[str, set[str]]:
    """The name as it is stored, and the ids of the members."""
    group = work.groups.get_by_name(name)
    return group.name, work.groups.member_ids(group.id)
