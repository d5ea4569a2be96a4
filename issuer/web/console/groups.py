"""`/console/groups`: groups of users, their members, and the roles that they give."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response

from issuer.composition import UnitOfWork
from issuer.directory import Rights, Through
from issuer.errors import AlreadyExists, InvalidField, NotFound
from issuer.groups import GROUP, Group, GroupMember
from issuer.manifest.rights import effect_on_users
from issuer.roles import Assignment, HeldRole
from issuer.users import USER
from issuer.values import lazy_property
from issuer.web.console.rights.assignments import ASSIGNING, PrincipalScreen, assignments_section
from issuer.web.console.screens.action import Confirmation, Deletion
from issuer.web.console.screens.collection import CollectionScreen
from issuer.web.console.screens.operator import NeedsSignIn
from issuer.web.console.screens.resource import changes_of
from issuer.web.console.screens.resource_form import ResourceForm, field_errors
from issuer.web.console.screens.views import PAGE, Command, Listing, counted

FORM = ResourceForm(GROUP)
_CONSIDERED = 50  # members
_ENDS = "The access tokens that members have now are revoked; their applications get new ones."


def _unassign_address(form: Mapping[str, str], error: AlreadyExists) -> str:
    return "id" if error.name == form.get("id", "").strip() else "name"


class GroupsScreen(CollectionScreen):
    FORM = FORM
    ARGUMENT = "name"
    SIGN_IN = {"": NeedsSignIn.IF_PROTECTED}

    def about(self, work: UnitOfWork, groups: Sequence[Group]) -> dict[str, Any]:
        """How many members each has."""
        return {"members": work.groups.count_members(*(each.id for each in groups))}

    def taken(self, error: AlreadyExists) -> str:
        return _unassign_address(self.form, error)


class OneGroupScreen(PrincipalScreen):
    """`?after=` pages the members; `?edit=yes` is the form."""

    FORM = FORM
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
        return _unassign_address(self.form, error)

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
                counted(number),
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
            points = self._effects(work, [each.user_id for each in users], gained, ())
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
            points = self._effects(work, [user_id], (), lost)
        command = self.command(
            ("member", "remove", self.key, member.username, "--yes"), "DELETE", "members", user_id
        )
        if not self.is_confirmed:
            ends = f" {_ENDS}" if lost else ""
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

    def about_assigning(self, assignment: Assignment, *, assigned: bool) -> dict[str, Any]:
        """For the question: what members gain or lose."""
        role = HeldRole(**assignment.model_dump())
        with self.operator.work(GROUP.read) as work:
            for each in work.assignments.roles_of(self.key) if assigned else ():
                role = each if each.place == assignment.place else role
            ids = [e.user_id for e in work.groups.members(self.key, None, _CONSIDERED)]
            points = self._effects(work, ids, *(((), [role]) if assigned else ([role], ())))
            number = work.groups.count_members(self.key)[self.key]
        members = f"It has {counted(number)} {'member' if number == 1 else 'members'}."
        some = [f"Of the first {_CONSIDERED}:"] if points and number > _CONSIDERED else []
        ends = [_ENDS] if assigned and number else []
        return {"sentences": [members, *ends, *some], "points": points}

    def before_deletion(self, work: UnitOfWork) -> Deletion:
        number = work.groups.count_members(self.key)[self.key]
        roles = len(work.assignments.of(self.key))
        ends = f" {_ENDS}" if number and roles else ""
        return Deletion(
            f"It has {number:,} {'member' if number == 1 else 'members'} and {roles:,}"
            f" {'role' if roles == 1 else 'roles'}, which its members lose unless they hold them"
            f" otherwise.{ends} This cannot be undone."
        )

    def wrong(self, error: InvalidField) -> Response:
        sentence = f"Nothing was changed. {error}"
        return self.page(values=self.form, errors=field_errors(error), error=sentence)

    def _effects(
        self,
        work: UnitOfWork,
        user_ids: Sequence[str],
        gained: Sequence[HeldRole],
        lost: Sequence[HeldRole],
    ) -> tuple[str, ...]:
        """Who gains and loses what, for those who may read users."""
        if not self.operator.holds(USER.read):
            return ()
        via = Through(self.name, self.key)
        shifts = effect_on_users(
            work,
            user_ids[:_CONSIDERED],
            *([each.model_copy(update={"via": via}) for each in some] for some in (gained, lost)),
        )
        return tuple(line for each in shifts for line in each.lines())


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
