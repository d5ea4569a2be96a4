"""`issuer user import`."""

from dataclasses import dataclass, field
from typing import Annotated, Any

import typer

from issuer.cli import output
from issuer.cli.command import argument, content_of, flag, wants_json
from issuer.cli.confirming import Yes, confirming
from issuer.cli.opening import changing, reading
from issuer.composition import UnitOfWork
from issuer.errors import NotFound
from issuer.fields.usernames import fold_username
from issuer.manifest.changes import Action, Change, changes
from issuer.manifest.entries import Resource, bare
from issuer.manifest.problems import shown
from issuer.users import USER, UserFields
from issuer.users.csv_file import CsvUser, InvalidCsv, read_csv

File = Annotated[
    str, argument("FILE", "A CSV file with the columns username, email, name, groups.")
]


def import_users(
    file: File,
    update: bool = flag("--update", "Also change users that exist, as the file has them."),
    dry_run: bool = flag("--dry-run", "Only show what would change."),
    yes: Yes = False,
) -> None:
    """Create users from a CSV file, completely or not at all. Shows the changes, and asks first.

    The first line names the columns: username, and optionally email, name and groups (names of
    existing groups, separated by semicolons). Existing users are not changed. With --update they
    are, but an empty field changes nothing, and nobody is removed from a group. New users cannot
    sign in before a password is set or an invitation accepted.

    Examples:

      issuer user import people.csv --dry-run
      issuer user import people.csv --yes
      issuer user import people.csv --update --yes --json
    """
    source = content_of(file)
    try:
        users = read_csv(source, file)
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
        print("Done." if plan else "There was nothing to change.")


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
            confirmation.require(*plan.summary)
    return plan


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
    def summary(self) -> list[str]:
        """What is to be confirmed."""
        created = sum(each.action is Action.CREATE for each in self.steps)
        joining = sum(map(len, self.joining.values()))
        counted = [
            ("create", created, "user"),
            ("update", len(self.steps) - created, "user"),
            ("make", joining, "group membership"),
        ]
        return [
            f"{verb} {number:,} {what}{'s' * (number > 1)}"
            for verb, number, what in counted
            if number
        ]

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
        for line in self.lines:
            output.print_text(line)

    @property
    def lines(self) -> list[str]:
        lines = [line for step in self.steps for line in step.lines()]
        lines += [
            f"+ add user {shown(each)} to group {shown(group)}"
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
    """Those of them that exist, by folded name."""
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
