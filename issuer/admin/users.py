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
    """List users in order of id."""
    with caller.work(READ) as work:
        return page("users", work.users.page, lambda user: user.id, cursor, limit)


@router.post(
    "",
    status_code=201,
    responses=documented("already-exists", body=True),
)
def create_user(caller: Caller, fields: UserFields, response: Response) -> User:
    """Create a user. Sign-in is refused until a password is set."""
    with caller.work(WRITE) as work:
        user = work.users.create(fields)
    response.headers["Location"] = location(caller, "users", user.id)
    return tagged(response, user)


@router.get("/{id}", responses=documented("not-found"))
def read_user(caller: Caller, id: str, response: Response) -> User:
    """Read a user."""
    with caller.work(READ) as work:
        return tagged(response, work.users.get(id))


@router.patch(
    "/{id}",
    responses=documented(
        "not-found", "already-exists", "not-allowed", "precondition-failed", body=True
    ),
)
def patch_user(
    caller: Caller, id: str, patch: MergePatch, response: Response, if_match: IfMatch = None
) -> User:
    """Change a user. `disabled` refuses sign-in and revokes all tokens."""
    with caller.work(WRITE) as work:
        require_match(if_match, work.users.get(id))
        user = work.users.update(id, patch)
    return tagged(response, user)


@router.delete(
    "/{id}",
    status_code=204,
    responses=documented("not-found", "not-allowed", "precondition-failed"),
)
def delete_user(caller: Caller, id: str, if_match: IfMatch = None) -> None:
    """Delete a user and all assignments, and revoke all tokens."""
    with caller.work(WRITE) as work:
        require_match(if_match, work.users.get(id))
        work.users.delete(id)


@router.put(
    "/{id}/password",
    status_code=204,
    responses=documented("not-found", "not-allowed", "precondition-failed", body=True),
)
def set_password(caller: Caller, id: str, fields: PasswordFields, if_match: IfMatch = None) -> None:
    """Set a password: 12 to 256 characters, not the user name, not a common password.

    This unlocks the user and revokes tokens issued before. `If-Match` is the ETag of the user.
    """
    caller.require(WRITE)
    password = caller.administration.sign_in.passwords.prepared(fields.password.get_secret_value())
    with caller.work(WRITE) as work:
        require_match(if_match, work.users.get(id))
        work.users.set_password(id, password)


@router.post(
    "/{id}/revoke-tokens",
    status_code=204,
    responses=documented("not-found", "precondition-failed"),
)
def revoke_user_tokens(caller: Caller, id: str, if_match: IfMatch = None) -> None:
    """Revoke every token issued to the user so far, everywhere within seconds.

    The user can sign in again.
    """
    with caller.work(WRITE) as work:
        require_match(if_match, work.users.get(id))
        work.users.revoke_tokens(id)


@router.post("/{id}/unlock", status_code=204, responses=documented("not-found"))
def unlock_user(caller: Caller, id: str) -> None:
    """Reset the count of wrong passwords, so that the user can sign in at once."""
    with caller.work(WRITE) as work:
        work.users.unlock(id)
