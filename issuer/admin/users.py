"""`/users`: resource owners with a password."""

from fastapi import Response

from issuer.admin.access import Caller
from issuer.admin.bodies import MergePatch
from issuer.admin.problems import documented
from issuer.admin.representations import (
    Cursor,
    IfMatch,
    Limit,
    Page,
    page,
    require_match,
    tagged,
)
from issuer.admin.routes import admin_router
from issuer.admin.urls import location
from issuer.users import PasswordFields, User, UserFields

router = admin_router("/users", "users")

READ, WRITE = "issuer:users:read", "issuer:users:write"


@router.get("", responses=documented("invalid-cursor"))
def list_users(caller: Caller, limit: Limit = 50, cursor: Cursor = None) -> Page[User]:
    """Users in order of id."""
    with caller.work(READ) as work:
        return page("users", work.users.page, lambda user: user.id, cursor, limit)


@router.post(
    "",
    status_code=201,
    responses=documented("already-exists", body=True),
)
def create_user(caller: Caller, fields: UserFields, response: Response) -> User:
    """A new user, who cannot sign in before a password is set."""
    with caller.work(WRITE) as work:
        user = work.users.create(fields)
    response.headers["Location"] = location(caller, "users", user.id)
    return tagged(response, user)


@router.get("/{user_id}", responses=documented("not-found"))
def read_user(caller: Caller, user_id: str, response: Response) -> User:
    """One user."""
    with caller.work(READ) as work:
        return tagged(response, work.users.get(user_id))


@router.patch(
    "/{user_id}",
    responses=documented(
        "not-found", "already-exists", "not-allowed", "precondition-failed", body=True
    ),
)
def patch_user(
    caller: Caller, user_id: str, patch: MergePatch, response: Response, if_match: IfMatch = None
) -> User:
    """Change a user; `disabled` stops the next sign-in, and ends the tokens there are."""
    with caller.work(WRITE) as work:
        require_match(if_match, work.users.get(user_id))
        user = work.users.update(user_id, patch)
    return tagged(response, user)


@router.delete(
    "/{user_id}",
    status_code=204,
    responses=documented("not-found", "not-allowed", "precondition-failed"),
)
def delete_user(caller: Caller, user_id: str, if_match: IfMatch = None) -> None:
    """Delete a user with all assignments and tokens."""
    with caller.work(WRITE) as work:
        require_match(if_match, work.users.get(user_id))
        work.users.delete(user_id)


@router.put(
    "/{user_id}/password",
    status_code=204,
    responses=documented("not-found", "not-allowed", "precondition-failed", body=True),
)
def set_password(
    caller: Caller, user_id: str, fields: PasswordFields, if_match: IfMatch = None
) -> None:
    """Set a password: 12 to 256 characters, not the user name, no common one; it unlocks.

    Tokens got with the one before are refused from now on. `If-Match` is for the user.
    """
    caller.require(WRITE)
    password = caller.administration.sign_in.passwords.prepared(fields.password.get_secret_value())
    with caller.work(WRITE) as work:
        require_match(if_match, work.users.get(user_id))
        work.users.set_password(user_id, password)


@router.post(
    "/{user_id}/revoke-tokens",
    status_code=204,
    responses=documented("not-found", "precondition-failed"),
)
def revoke_user_tokens(caller: Caller, user_id: str, if_match: IfMatch = None) -> None:
    """Have every token issued to the user so far refused everywhere within seconds.

    Whoever can sign in may get new ones.
    """
    with caller.work(WRITE) as work:
        require_match(if_match, work.users.get(user_id))
        work.users.revoke_tokens(user_id)


@router.post("/{user_id}/unlock", status_code=204, responses=documented("not-found"))
def unlock_user(caller: Caller, user_id: str) -> None:
    """Forget the wrong passwords that were tried, so that the user may sign in at once."""
    with caller.work(WRITE) as work:
        work.users.unlock(user_id)
