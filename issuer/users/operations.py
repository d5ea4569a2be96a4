"""What an administrator does to a user beside changing it."""

from dataclasses import asdict
from datetime import datetime
from typing import Any, Protocol

from pydantic import BaseModel

from issuer.operations import About, Operation, OperationQuestion, PartOf
from issuer.roles.operations import RolesOf
from issuer.users.guard import AttemptGuard
from issuer.users.user import USER, NoticedBy
from issuer.users.users import Users

SIGNS_OUT = "Every session ends, and every token is refused within seconds."
SIGNS_YOU_OUT = " This is you: you are signed out, too."


class UserWork(Protocol):
    attempts: AttemptGuard
    departures: Any
    groups: Any
    users: Users


class UserState(BaseModel):
    """The names of a user's groups, consecutive wrong passwords, and until when it is locked.

    `noticed_by`: how this issuer would notice that the person left; if empty, it would not.
    """

    groups: list[str]
    failed_attempts: int
    locked_until: datetime | None
    noticed_by: list[NoticedBy] = []

    @property
    def departure(self) -> str:
        """`noticed_by` in words."""
        words = "; ".join(each.in_words for each in self.noticed_by)
        return words or "nothing so far: disable the user here if the person leaves"


def _revoking(_: UserWork, about: About) -> OperationQuestion:
    return OperationQuestion(
        f"Sign {about.name} out everywhere?",
        f"{SIGNS_OUT} {about.name} can sign in again. This cannot be undone."
        f"{SIGNS_YOU_OUT if about.is_self else ''}",
        "Sign out everywhere",
    )


def _state(work: UserWork, user_id: str, _: str = "") -> UserState:
    groups = [group.name for group in work.groups.of_user(work.users.get(user_id).id)]
    state = asdict(work.attempts.state_of(user_id))
    return UserState(groups=groups, **state, noticed_by=work.departures.noticed_by(user_id))


USER_ROLES = RolesOf(
    USER,
    of_groups=" Those that groups give are included, also groups at trusted issuers: `via` names"
    " the group. It is null for what is assigned to the user itself.",
)
STATE = PartOf[UserWork, UserState](
    owner=USER,
    name="state",
    plural="state",
    model=UserState,
    about="The groups of a user, wrong passwords, and how a departure would be noticed.",
    reads="Read the groups of a user, wrong passwords since the last right one, the lock, and how"
    " this issuer would notice that the person left.",
    item=_state,
    key="",
)
REVOKE_TOKENS = Operation[UserWork](
    name="revoke_user_tokens",
    on=USER,
    verb="revoke-tokens",
    past="revoked",
    summary="Revoke every token issued to the user so far, everywhere within seconds.",
    more="The user can sign in again.",
    question=_revoking,
    run=lambda work, user_id, _: work.users.revoke_tokens(user_id),
    done="{name} is signed out everywhere.",
    asks_scripts=True,
)
OPERATIONS: tuple[Operation[Any], ...] = (
    REVOKE_TOKENS,
    Operation(
        name="unlock_user",
        on=USER,
        verb="unlock",
        past="unlocked",
        summary="Reset the count of wrong passwords, so that the user can sign in at once.",
        run=lambda work, user_id, _: work.users.unlock(user_id),
        done="{name} can sign in at once.",
    ),
    *USER_ROLES.operations,
)
