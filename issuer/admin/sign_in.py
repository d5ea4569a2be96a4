"""Invitations of users."""

from fastapi import Response

from issuer.admin.access import Caller, Changer
from issuer.admin.problems import documented
from issuer.admin.representations import Done, IfMatch, done, never_stored, require_unchanged
from issuer.admin.routes import admin_router, location
from issuer.sign_in import InvitationFields, NewInvitation
from issuer.users import USER

router = admin_router("/users/{id}", "users")


@router.post(
    "/invitation",
    status_code=201,
    responses=documented("not-allowed"),
    response_model_exclude_none=True,
)
def create_invitation(
    caller: Caller, id: str, fields: InvitationFields, response: Response
) -> NewInvitation:
    """Create a link with which the user sets a password or a passkey; it is shown only once.

    It replaces an earlier one (`replaces`), works once, and for `lifetime` seconds (72 hours by
    default). With `by_email` it is not shown, but sent to the user (`sent_to`).
    """
    with caller.work(USER.write) as work:
        invitation = work.invitations.create(id, fields)
    response.headers["Location"] = location(caller, "users", id, "invitation")
    never_stored(response)
    return invitation


@router.delete("/invitation")
def delete_invitation(caller: Changer, id: str, if_match: IfMatch = None) -> Done:
    """Make the link of a user useless."""
    with caller.work(USER.write) as work:
        user = work.users.get(id)
        require_unchanged(if_match, user)
        work.invitations.delete(id)
        return done(caller, if_match, user)
