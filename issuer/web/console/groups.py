"""`/console/groups`: groups of users, their members, and the roles that they give."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response

from issuer.composition import UnitOfWork
from issuer.directory import Rights
from issuer.errors import AlreadyExists, InvalidField, NotFound
from issuer.groups import GROUP, Group, GroupMember
from issuer.groups.operations import GROUP_ROLES, REVOKED, effect_on_members
from issuer.users import USER
from issuer.values import lazy_property
from issuer.web.console.rights.assignments import ASSIGNING, PrincipalScreen, assignments_section
from issuer.web.console.screens.action import Confirmation, Deletion
from issuer.web.console.screens.collection import CollectionScreen
from issuer.web.console.screens.operator import NeedsSignIn
from issuer.web.console.screens.resource import changes_of
from issuer.web.console.screens.resource_form import ResourceForm, field_errors
from issuer.web.console.screens.views import PAGE, Command, Listing, count_text

FORM = ResourceForm(GROUP)


def _taken_field(form: Mapping[str, str], error: AlreadyExists) -> str:
    return "id" if error.name == form.get("id", "").strip() else "name"


class GroupsScreen(CollectionScreen):
    FORM = FORM
    ARGUMENT = "name"
    SIGN_IN = {"": NeedsSignIn.IF_PROTECTED}

    def about(self, work: UnitOfWork, groups: Sequence[Group]) -> dict[str, Any]:
        """How many members each has."""
        return {"members": work.groups.count_members(*(each.id for each in groups))}

    def taken(self, error: AlreadyExists) -> str:
        return _taken_field(self.form, error)


class OneGroupScreen(PrincipalScreen):
    """`?after=` pages the members; `?edit=yes` is the form."""

    FORM, ROLES = FORM, GROUP_ROLES
    ACTIONS = {
        **changes_of(GROUP),
        **ASSIGNING,
        "add-members": lambda screen: screen.add_members(),
        "remove-member": lambda screen: screen.remove_member(),
    }
    PARAMETERS = ("edit", "after")
    SIGN_IN = dict.fromkeys(ACTIONS, NeedsSignIn.IF_PROTECTED)
    DELETE, DELETED = "Delete the group {name}?", "The group {name} is deleted."

    @lazy_property
    def rights(self) -> Rights:
        with self.operator.work(GROUP.read) as work:
            return work.assignments.rights_of(self.key)

    @property
    def is_confirmed(self) -> bool:
        """False if the group was changed after the question, which named who gains or loses."""
        return super().is_confirmed and not ("version" in self.form and self.is_outdated)

    def confirm(
        self,
        question: Confirmation,
        command: Command,
        fields: Mapping[str, str] | None = None,
        **more: Any,
    ) -> Response:
        """Ask for the present version of the group."""
        fields = {"version": str(self.resource.version), **(fields or {})}
        return super().confirm(question, command, fields, **more)

    def name_of(self, resource: Group) -> str:
        return resource.name

    def taken(self, error: AlreadyExists) -> str:
        return _taken_field(self.form, error)

    def page(self, **shown: Any) -> Response:
        key, operator = self.key, self.operator
        after = self.visit.query.get("after") or None
        with operator.work(GROUP.read) as work:
            section = assignments_section(operator, work, key)
            found = work.groups.members(key, after, PAGE + 1)
            number = work.groups.count_members(key)[key]
        url = self.site.base + self.path
        last = urlencode({"after": found[PAGE - 1].user_id}) if len(found) > PAGE else ""
        return super().page(
            may_change=operator.holds(GROUP.write),
            may_edit=operator.may_change(GROUP.write, is_protected=self.is_protected),
            commands=(
                self.command(("show", key), "GET"),
                self.command(("member", "list", key), "GET", "members"),
                self.command(("role", "list", key), "GET", "roles"),
            ),
            section=section,
            members=Listing(
                tuple(found[:PAGE]),
                count_text(number),
                next_url=f"{url}?{last}#members" if last else "",
                first_url=f"{url}#members" if after else "",
            ),
            reads_users=operator.holds(USER.read),
            **{"errors": {}, "values": {}, **shown},
        )

    def add_members(self) -> Response:
        """Users by id or name, one a line; asks first."""
        with self.operator.work(GROUP.read) as work:
            users = _users(work, self.form.get("users", "").splitlines())
            gained = work.assignments.roles_of(self.key)
            points = effect_on_members(work, self.key, [user.user_id for user in users], gained, ())
        names = _name_of(users)
        command = self.command(("member", "add", self.key, *(each.username for each in users)), "")
        if not self.is_confirmed:
            return self.confirm(
                (f"Add {names} to {self.name}?", _shift_in_words(points, "gain"), "Add"),
                command,
                {"users": "\n".join(each.user_id for each in users)},
                is_dangerous=False,
                points=points,
            )

        def add(work: UnitOfWork) -> None:
            work.groups.add_members(self.key, [each.user_id for each in users])

        return self.done(add, f"Added to {self.name}: {names}.", command)

    def remove_member(self) -> Response:
        user_id = self.form.get("user_id", "")
        with self.operator.work(GROUP.read) as work:
            member = work.groups.member(self.key, user_id)
            lost = work.assignments.roles_of(self.key)
            points = effect_on_members(work, self.key, [user_id], (), lost)
        command = self.command(
            ("member", "remove", self.key, member.username, "--yes"), "DELETE", "members", user_id
        )
        if not self.is_confirmed:
            ends = f" {REVOKED}" if lost else ""
            question = f"Remove {member.username} from {self.name}?"
            return self.confirm(
                (question, f"{_shift_in_words(points, 'lose')}{ends}", "Remove"),
                command,
                {"user_id": user_id},
                points=points,
            )
        return self.done(
            lambda work: work.groups.remove_members(self.key, [user_id]),
            f"{member.username} is removed from {self.name}.",
            command,
        )

    def before_deletion(self, work: UnitOfWork) -> Deletion:
        number = work.groups.count_members(self.key)[self.key]
        roles = len(work.assignments.of(self.key))
        ends = f" {REVOKED}" if number and roles else ""
        return Deletion(
            f"It has {number:,} {'member' if number == 1 else 'members'} and {roles:,}"
            f" {'role' if roles == 1 else 'roles'}, which its members lose unless they hold them"
            f" otherwise.{ends} This cannot be undone."
        )

    def wrong(self, error: InvalidField) -> Response:
        sentence = f"Nothing was changed. {error}"
        return self.page(values=self.form, errors=field_errors(error), error=sentence)


def _users(work: UnitOfWork, lines: Sequence[str]) -> list[GroupMember]:
    """The users of these ids or names; `InvalidField` names the first that does not exist."""
    found: dict[str, GroupMember] = {}
    for text in filter(None, map(str.strip, lines)):
        try:
            user = work.users.find(text)
        except NotFound:
            raise InvalidField("users", f"There is no user {text!r}.") from None
        found[user.id] = GroupMember(user_id=user.id, username=user.username)
    if not found:
        raise InvalidField("users", "Name one user at least.")
    return list(found.values())


def _name_of(users: Sequence[GroupMember]) -> str:
    names = [each.username for each in users[:3]]
    more = len(users) - len(names)
    return ", ".join(names) + (f" and {more:,} more" if more else "")


def _shift_in_words(points: Sequence[str], verb: str) -> str:
    if points:
        return f"This is what they {verb} by it:"
    return (
        f"They {verb} the roles of the group, and what these give that they do not hold otherwise."
    )
