"""`/console/users`: people who sign in, and new ones."""

from collections.abc import Mapping, Sequence
from typing import Any

from starlette.responses import Response

from issuer.audiences import AUDIENCE
from issuer.composition import UnitOfWork
from issuer.errors import InvalidField, NotFound
from issuer.groups import GROUP
from issuer.groups.operations import ADD_MEMBER, MEMBERS
from issuer.operations import About
from issuer.resources import Command
from issuer.roles import ROLE, Assignment
from issuer.sign_in import InvitationFields, NewInvitation
from issuer.sign_in.operations import INVITE
from issuer.users import USER, User, UserFields
from issuer.users.guard import KNOWN_FOR
from issuer.users.operations import REVOKE_TOKENS, SIGNS_OUT, SIGNS_YOU_OUT
from issuer.users.user import sign_in_of_each
from issuer.web.console.groups import OneGroupScreen
from issuer.web.console.rights.last_use import last_days
from issuer.web.console.screens.collection import CollectionScreen
from issuer.web.console.screens.operator import NeedsSignIn
from issuer.web.console.screens.resource import ResourceScreen
from issuer.web.console.screens.resource_form import ResourceForm, choices_of, names_to_pick
from issuer.web.console.screens.screen import ConsoleScreen
from issuer.web.console.screens.several import disabling, each_by, selected
from issuer.web.words import page_of

IS_DISABLED = "{name} is disabled, and signed out everywhere."
ADD = ADD_MEMBER.action
VERIFIED = "yes"  # the value of the box for an address that is not verified


class UserForm(ResourceForm[UserFields, User]):
    def given(self, form: Mapping[str, str], resource: User | None) -> dict[str, Any]:
        """The box of a verified address has that address as its value: it counts for no other."""
        given = super().given(form, resource)
        values = {VERIFIED, given["email"]} - {None}
        return {**given, "email_verified": form.get("email_verified") in values}


FORM = UserForm(USER)


def what_disabling_ends(about: About) -> str:
    return (
        f"{about.name} cannot sign in any more. {SIGNS_OUT} This can be undone; the revoked tokens"
        f" stay revoked.{SIGNS_YOU_OUT if about.is_self else ''}"
    )


def add_to_group(screen: "UsersScreen") -> Response:
    """Let the page of the group add the selected users: it asks first, and has the answer."""
    name, users = screen.form.get(GROUP.name, "").strip(), selected(screen)
    try:
        with screen.operator.work(GROUP.read) as work:
            group = work.groups.find(name)
    except NotFound as error:
        raise InvalidField(GROUP.name, str(error)) from None
    form = {"do": ADD, MEMBERS.field: "\n".join(each.id for each in users)}
    page = OneGroupScreen(screen.console, screen.operator, screen.visit, form)
    page.resource, page.path = group, page_of(GROUP, group.id)
    page.authorize_form()
    return page.act()


def new_assignments(form: Mapping[str, str]) -> list[Assignment]:
    """The roles of a new user, at one audience: everywhere is not what a form leaves empty."""
    roles, audience = form.get("roles", "").split(), form.get("audience", "").strip()
    if roles and not audience:
        raise InvalidField("audience", "Name the audience at which the roles are assigned.")
    return [Assignment(role=role, audience=audience) for role in dict.fromkeys(roles)]


class UsersScreen(CollectionScreen):
    FORM = FORM
    NAME = "username"
    EXPORTED = ("states", "roles", "last_sign_in_at")
    KINDS = {"": {"invite": "yes"}}
    SUGGESTS = True
    AT_ONCE = {
        ADD: ("Add to the group", add_to_group),
        REVOKE_TOKENS.action: each_by("Sign out everywhere", REVOKE_TOKENS),
        "disable": disabling(USER, what_disabling_ends, IS_DISABLED),
    }
    SIGN_IN = dict.fromkeys(("", *AT_ONCE), NeedsSignIn.IF_PROTECTED)

    def at_once(self) -> dict[str, str]:
        may_add = self.operator.holds(GROUP.write)
        return {do: label for do, label in super().at_once().items() if do != ADD or may_add}

    def about(self, work: UnitOfWork, users: Sequence[User]) -> dict[str, Any]:
        """How each can sign in, their states, roles and last use; what sign-ins are known since."""
        return {
            "sign_in_of": sign_in_of_each(work, users),
            "roles_of": work.assignments.role_names_of_all([each.id for each in users]),
            "known_since": self.parts.clock() - KNOWN_FOR,
            "last_days": last_days(self.operator, work, USER, users),
            "suggests": ADD in self.at_once(),
        }

    def exported(self, work: UnitOfWork, users: Sequence[User]) -> Sequence[dict[str, Any]]:
        members = {*self.EXPORTED}
        return [each.model_dump(mode="json", include=members) for each in USER.listed(work, users)]

    def choices(self) -> Mapping[str, Any]:
        with self.operator.work(USER.read) as work:
            like = self.form.get("audience", "")
            return {AUDIENCE.plural: choices_of(self.operator, work, AUDIENCE, like)}

    def picks(self, values: Mapping[str, str]) -> dict[str, Any]:
        return names_to_pick(self.operator, values, ROLE)

    def needs_sign_in(self) -> NeedsSignIn:
        """Always for an invitation: whoever has it becomes the user."""
        return NeedsSignIn.ALWAYS if "invite" in self.form else super().needs_sign_in()

    def create(self) -> Response:
        fields, assignments = FORM.read(self.form, None), new_assignments(self.form)
        created, invitation = self._create(fields, assignments)
        done = f"The user {created.username} is created."
        commands = self.commands_for(created, assignments)
        if invitation is None:
            return self.finished(done, commands[0], page_of(USER, created.id))
        given = {"by_email": True} if invitation.sent_to else {}
        commands += (INVITE.command(created.id, given),)
        return invitation_link(self, created, invitation, done, commands)

    def _create(
        self, fields: UserFields, assignments: Sequence[Assignment]
    ) -> tuple[User, NewInvitation | None]:
        with self.operator.work_once(USER.write) as work:
            created = work.users.create(fields)
            self.assign(work, created.id, assignments)
            if "invite" not in self.form:
                return created, None
            is_sent = self.parts.settings.smtp_url is not None and created.email is not None
            fields_of_link = InvitationFields(by_email=is_sent)
            return created, work.invitations.create(created.id, fields_of_link)


def show_invitation(
    screen: ResourceScreen, new: NewInvitation, done: str, command: Command, _: Sequence[str]
) -> Response:
    return invitation_link(screen, screen.resource, new, done, (command,))


def invitation_link(
    screen: ConsoleScreen, user: User, new: NewInvitation, done: str, commands: Sequence[Command]
) -> Response:
    """The answer in which the link of an invitation is shown, once, or where it was sent.

    It is a secret: whoever opens it first becomes the user.
    """
    return screen.answer(
        "invitation_link",
        done,
        commands=commands,
        person=user,
        invitation=new,
        is_scripted=not new.sent_to,
    )
