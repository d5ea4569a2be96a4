"""The state of a user, in words."""

from datetime import datetime

from issuer.sign_in.sign_in_methods import SignInMethods
from issuer.users import User

ACTIVE, DISABLED, INVITED, LOCKED = "active", "disabled", "invited", "locked"
NO_MEANS = "cannot sign in"


def user_states(
    user: User, means: SignInMethods, locked_until: datetime | None = None
) -> tuple[str, ...]:
    """All states that apply: a user can be locked and invited at once."""
    first = DISABLED if user.disabled else ACTIVE if means.can_sign_in else ""
    locked = LOCKED if locked_until else ""
    invited = INVITED if means.invited_until and not user.disabled else ""
    return tuple(filter(None, (first, locked, invited))) or (NO_MEANS,)
