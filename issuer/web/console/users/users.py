"""`/console/users`: people who sign in, and new ones."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from starlette.responses import Response

from issuer.errors import AlreadyExists, InvalidField, NotFound
from issuer.roles import Assignment
from issuer.sign_in import InvitationFields, NewInvitation
from issuer.sign_in.factors_store import SignInMethods
from issuer.users import USER, User, UserFields
from issuer.web.console.rights.assignments import assignment_command
from issuer.web.console.screens.collection import ListEndpoint
from issuer.web.console.screens.form_fields import some_audiences, some_roles
from issuer.web.console.screens.operator import NeedsSignIn, Operator
from issuer.web.console.screens.views import Command, ConsolePage, Listing, listing
from issuer.web.console.users.access import user_states
from issuer.web.console.users.form import new_assignments, new_user, user_options
from issuer.web.console.users.sign_in_methods import invitation_command, invitation_link
from issuer.web.visit import Visit
from issuer.web.words import segment

LIST = "/console/users"


@dataclass(frozen=True, slots=True)
class UserInList:
    """A user, and how they can sign in."""

    user: User
    states: tuple[str, ...]
    means: SignInMethods


@dataclass(frozen=True, kw_only=True)
class UsersPage(ConsolePage):
    TEMPLATE = "console/users.html"
    title = "Users"
    listing: Listing[UserInList]


@dataclass(frozen=True, kw_only=True)
class NewUserPage(ConsolePage):
    """`audiences` and `roles` are some to choose from."""

    TEMPLATE = "console/new_user.html"
    title = "New user"
    audiences: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()


class UsersEndpoint(ListEndpoint):
    """The list; with `?new=` the form for a new user."""

    PATH = LIST
    TYPE = USER
    READ = USER.read
    PARAMETERS = ("new",)
    SIGN_IN = {"": NeedsSignIn.IF_PROTECTED}

    def screen(self, operator: Operator, visit: Visit) -> Response:
        if "new" in visit.query:
            operator.require(USER.write)
            return self.show_form(operator, visit, {"invite": "yes"})
        with operator.work(USER.read) as work:
            found = listing(work, visit, self.site.base + LIST, USER)
            means = work.factors.methods_of(*(each.id for each in found.items))
        users = ((each, means[each.id]) for each in found.items if each.id in means)
        shown = found.showing(UserInList(u, user_states(u, how), how) for u, how in users)
        return self.show_list(operator, visit, UsersPage, shown)

    def needs_sign_in(self, form: Mapping[str, str]) -> NeedsSignIn:
        """Always for an invitation: whoever has it becomes the user."""
        return NeedsSignIn.ALWAYS if "invite" in form else super().needs_sign_in(form)

    def taken(self, form: Mapping[str, str], error: AlreadyExists) -> str:
        return "id" if error.name == form.get("id", "").strip() else "username"

    def create(self, operator: Operator, visit: Visit, form: Mapping[str, str]) -> Response:
        fields, assignments = new_user(form), new_assignments(form)
        is_invited = "invite" in form
        created, invitation = self._create(operator, fields, assignments, is_invited=is_invited)
        done = f"The user {created.username} is created."
        commands = self._commands_for(created, assignments)
        if invitation is None:
            return self.finished(f"{LIST}/{segment(created.id)}", done, commands[0])
        commands += (invitation_command(self, created),)
        return invitation_link(self, operator, visit, created, invitation, done, commands)

    def _create(
        self,
        operator: Operator,
        fields: UserFields,
        assignments: Sequence[Assignment],
        *,
        is_invited: bool,
    ) -> tuple[User, NewInvitation | None]:
        with operator.work_once(USER.write) as work:
            created = work.users.create(fields)
            for each in assignments:
                try:
                    work.assignments.assign(created.id, each)
                except NotFound as error:
                    field = "roles" if error.kind == "role" else "audience"
                    raise InvalidField(field, str(error)) from None
            if not is_invited:
                return created, None
            return created, work.invitations.create(created.id, InvitationFields())

    def new_page(
        self, operator: Operator, visit: Visit, form: Mapping[str, str]
    ) -> partial[NewUserPage]:
        with operator.work(USER.read) as work:
            audiences, roles = some_audiences(operator, work), some_roles(operator, work)
        return partial(NewUserPage, audiences=audiences, roles=roles)

    def _commands_for(
        self, created: User, assignments: Sequence[Assignment]
    ) -> tuple[Command, ...]:
        """Creating the user, then assigning each role."""
        members = UserFields.model_validate(created, from_attributes=True, strict=False)
        given = members.model_dump(mode="json", exclude_defaults=True)
        options = user_options({name: given[name] for name in given if name != "username"})
        create = self.creation([created.username, *options], given)
        assigned = (assignment_command(self, USER, created.id, x, "assign") for x in assignments)
        return create, *assigned
