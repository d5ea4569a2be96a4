"""`/console/groups`: groups of users, their members, and the roles that they give."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from starlette.responses import Response

from issuer.composition import UnitOfWork
from issuer.directory import Rights
from issuer.groups import GROUP, Group
from issuer.groups.operations import GROUP_ROLES, MEMBERS, OPERATIONS, REVOKED
from issuer.resources import Command
from issuer.users import USER
from issuer.values import lazy_property
from issuer.web.console.rights.assignments import PrincipalScreen, assignments_section
from issuer.web.console.screens.collection import CollectionScreen
from issuer.web.console.screens.operations import actions_of
from issuer.web.console.screens.operator import NeedsSignIn
from issuer.web.console.screens.resource import Confirmation, Deletion, changes_of
from issuer.web.console.screens.resource_form import ResourceForm, names_to_pick
from issuer.web.console.screens.views import PAGE, Listing, count_text

FORM = ResourceForm(GROUP)


class GroupsScreen(CollectionScreen):
    FORM = FORM
    NAME = "name"
    SIGN_IN = {"": NeedsSignIn.IF_PROTECTED}

    def about(self, work: UnitOfWork, groups: Sequence[Group]) -> dict[str, Any]:
        """How many members each has."""
        return {"members": work.groups.count_members(*(each.id for each in groups))}


class OneGroupScreen(PrincipalScreen):
    """`?after=` pages the members; `?edit=yes` is the form."""

    FORM, NAME = FORM, "name"
    ACTIONS = {**changes_of(GROUP), **actions_of(OPERATIONS)}
    PARAMETERS = ("edit", "after")
    SIGN_IN = dict.fromkeys(ACTIONS, NeedsSignIn.IF_PROTECTED)

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

    def page(self, **shown: Any) -> Response:
        key, operator = self.key, self.operator
        after = self.visit.query.get("after") or None
        with operator.work(GROUP.read) as work:
            section = assignments_section(operator, work, key, self.form)
            found = work.groups.members(key, after, PAGE + 1)
            number = work.groups.count_members(key)[key]
        url = self.site.base + self.path
        last = urlencode({"after": found[PAGE - 1].user_id}) if len(found) > PAGE else ""
        return super().page(
            may_change=operator.holds(GROUP.write),
            may_edit=operator.may_change(GROUP.write, is_protected=self.is_protected),
            commands=(
                GROUP.show_command(key),
                MEMBERS.list_command(key),
                GROUP_ROLES.part.list_command(key),
            ),
            section=section,
            members=Listing(
                tuple(found[:PAGE]),
                count_text(number),
                next_url=f"{url}?{last}#members" if last else "",
                first_url=f"{url}#members" if after else "",
            ),
            reads_users=operator.holds(USER.read),
            **names_to_pick(operator, self.form, USER, most=0),
            **{"errors": {}, "values": {}, **shown},
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
