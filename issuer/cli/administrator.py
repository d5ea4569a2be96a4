"""The person who administers the issuer in the console."""

from dataclasses import dataclass, field

from issuer.cli.subjects import find_user
from issuer.composition import UnitOfWork
from issuer.errors import NotAllowed, NotFound
from issuer.roles import Assignment, RoleFields
from issuer.scopes import ISSUER_ADMIN
from issuer.sign_in import InvitationFields, NewInvitation
from issuer.users import User, UserFields

USERNAME = "admin"
_ROLE = "administrator"


@dataclass(frozen=True)
class ConsoleAdministrator:
    """`invitation` leads to a first password or passkey; None for a user who can sign in."""

    user_id: str
    username: str
    invitation: NewInvitation | None = field(repr=False)

    def as_members(self) -> dict[str, object]:
        """As JSON."""
        link = self.invitation.model_dump(mode="json") if self.invitation else None
        return {"id": self.user_id, "username": self.username, "invitation": link}


def make_administrator(work: UnitOfWork, username: str, url: str) -> ConsoleAdministrator:
    """Give a user, who is created if missing, issuer:admin at the issuer, whose audience is `url`.

    `NotAllowed` if the user is disabled, or the role has lost that scope.
    """
    if not work.roles.exists(_ROLE):
        work.roles.create(RoleFields(name=_ROLE, scopes=[ISSUER_ADMIN]))
    if ISSUER_ADMIN not in work.roles.get(_ROLE).scopes:
        raise NotAllowed(f"The role {_ROLE} exists without {ISSUER_ADMIN}: assign another role.")
    try:
        user = find_user(work, username)
    except NotFound:
        user = work.users.create(UserFields.read({"username": username}))
    if user.disabled:
        raise NotAllowed(f"The user {user.username} is disabled. Enable it first.")
    work.assignments.assign(user.id, Assignment(role=_ROLE, audience=url))
    work.check_invariants()  # now: a user who could sign in until now may need an invitation
    return _administrator(work, user)


def ensure_administrator(work: UnitOfWork, url: str) -> ConsoleAdministrator | None:
    """The user `admin`, created if missing; None if it is no administrator any more.

    A user who exists gets no rights.
    """
    try:
        user = work.users.get_by_username(USERNAME)
    except NotFound:
        return make_administrator(work, USERNAME, url)
    assigned = work.assignments.of(user.id)
    if user.disabled or Assignment(role=_ROLE, audience=url) not in assigned:
        return None
    return _administrator(work, user)


def _administrator(work: UnitOfWork, user: User) -> ConsoleAdministrator:
    can_sign_in = work.factors.methods_of(user.id)[user.id].can_sign_in
    invitation = None if can_sign_in else work.invitations.create(user.id, InvitationFields())
    return ConsoleAdministrator(user.id, user.username, invitation)
