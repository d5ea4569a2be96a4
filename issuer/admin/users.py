"""`/users`: people who sign in."""

from functools import partial

from fastapi import Request
from starlette.concurrency import run_in_threadpool

from issuer.admin.access import Caller
from issuer.admin.collection import Descriptions, collection_router
from issuer.admin.operations import operations_router
from issuer.admin.parts import admin_parts
from issuer.admin.problems import documented
from issuer.admin.representations import IfMatch, require_match
from issuer.composition import Access
from issuer.fields.networks import network_of
from issuer.sign_in import operations as sign_in
from issuer.token_exchange import operations as delegations
from issuer.users import USER, NewPassword
from issuer.users.operations import OPERATIONS, STATE, USER_ROLES
from issuer.users.passwords import check_policy
from issuer.users.user import PasswordFields

router = collection_router(
    USER,
    Descriptions(
        list="List users in order of id.",
        create="Create a user. Sign-in is refused until a password is set.",
        read="Read a user.",
        patch="Change a user. `disabled` refuses sign-in and revokes all tokens.",
        delete="Delete a user and all assignments, and revoke all tokens.",
    ),
    patch_problems=("already-exists",),
    note_of_create="",
)
operations = operations_router(
    (*OPERATIONS, *sign_in.OPERATIONS, *delegations.OPERATIONS),
    sign_in.FACTORS,
    sign_in.IDENTITIES,
    sign_in.SESSIONS,
    sign_in.CONSENTS,
    delegations.DELEGATIONS,
    STATE,
    USER_ROLES.part,
)


@router.put(
    "/{id}/password",
    responses=documented("not-allowed", "too-many-requests"),
)
async def set_password(
    request: Request, caller: Caller, id: str, fields: PasswordFields, if_match: IfMatch = None
) -> None:
    """Set a password: 12 to 256 characters, not the user name, not a common password.

    This unlocks the user and revokes tokens issued before. `If-Match` is the ETag of the user.
    429 with `Retry-After` beyond `ISSUER_RATE_LIMIT_PASSWORDS`, which counts for the caller.
    """
    text = fields.password.get_secret_value()

    def check() -> None:
        """Everything that costs less than the hash."""
        with caller.work(USER.read) as work:
            user = work.users.get(id)
            require_match(if_match, user)
            work.authority.authorize_change(principal=id)
        check_policy(text, user.username)

    def store(password: NewPassword) -> None:
        with caller.work(USER.write) as work:
            require_match(if_match, work.users.get(id))
            work.users.set_password(id, password)

    caller.require(USER.write)
    await run_in_threadpool(check)
    await run_in_threadpool(store, await _hashed(request, caller, text))


async def _hashed(request: Request, caller: Access, text: str) -> NewPassword:
    """In the pool that sign-ins use, and within the limits of the caller."""
    user, network = f"caller {caller.actor.id}", network_of(caller.actor.address)
    hashing = partial(caller.administration.passwords.prepared, text)
    return await admin_parts(request).passwords.run(user, network, hashing)
