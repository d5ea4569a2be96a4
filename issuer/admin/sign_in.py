"""How a user signs in, and what the user allowed: factors, identities, invitation, sessions,
consents; and which clients act for the user."""

from fastapi import Response

from issuer.admin.access import Caller
from issuer.admin.problems import documented
from issuer.admin.representations import (
    Cursor,
    IfMatch,
    Limit,
    Page,
    never_stored,
    page_of,
    require_match,
)
from issuer.admin.routes import admin_router, location
from issuer.sign_in import Factor, InvitationFields, NewInvitation
from issuer.sign_in.identities import Identity, IdentityFields
from issuer.sign_in.session_revoker import Consent
from issuer.sign_in.sessions_store import SignInSession
from issuer.token_exchange.delegations import Delegation
from issuer.users import USER

router = admin_router("/users/{id}", "users")


@router.get("/factors")
def list_factors(caller: Caller, id: str, limit: Limit = 50, cursor: Cursor = None) -> Page[Factor]:
    """List the second factors of a user in order of id; never a secret."""
    with caller.work(USER.read) as work:
        factors = work.factors.of_user(id)
    return page_of("factors", factors, lambda factor: factor.id, cursor, limit)


@router.delete("/factors/{factor_id}")
def delete_factor(caller: Caller, id: str, factor_id: str, if_match: IfMatch = None) -> None:
    """Remove a second factor, revoke all tokens of the user and end its sessions."""
    with caller.work(USER.write) as work:
        require_match(if_match, work.factors.get(id, factor_id))
        work.factors.revoke(id, factor_id)


@router.delete("/factors")
def reset_factors(caller: Caller, id: str) -> None:
    """Remove all second factors and recovery codes, revoke all tokens and end all sessions.

    The user signs in with the password alone, or sets up a new second factor if one is required.
    """
    with caller.work(USER.write) as work:
        work.factors.reset(id)


@router.get("/identities")
def list_identities(
    caller: Caller, id: str, limit: Limit = 50, cursor: Cursor = None
) -> Page[Identity]:
    """List the accounts at trusted issuers with which a user signs in.

    `groups` are those that gave roles when the person last signed in.
    """
    with caller.work(USER.read) as work:
        identities = work.identities.of_user(id)
    return page_of("identities", identities, lambda identity: identity.id, cursor, limit)


@router.post("/identities", status_code=201, responses=documented("not-found", "not-allowed"))
def link_identity(caller: Caller, id: str, fields: IdentityFields, response: Response) -> Identity:
    """Let whoever has this `subject` at the trusted issuer `issuer` sign in as the user.

    Refused for an account that is linked already, whoever's it is.
    """
    with caller.work(USER.write) as work:
        identity = work.identities.link(
            id, fields.issuer, fields.subject, fields.name, work.authority.grantor
        )
    path = ("users", id, "identities", identity.id)
    response.headers["Location"] = location(caller, *path)
    return identity


@router.delete("/identities/{identity_id}")
def unlink_identity(caller: Caller, id: str, identity_id: str, if_match: IfMatch = None) -> None:
    """Unlink an account. Ends the sessions that began there, and revokes access tokens."""
    with caller.work(USER.write) as work:
        require_match(if_match, work.identities.get(id, identity_id))
        work.identities.unlink(id, identity_id)


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
def delete_invitation(caller: Caller, id: str) -> None:
    """Make the link of a user useless."""
    with caller.work(USER.write) as work:
        work.invitations.delete(id)


@router.get("/sessions")
def list_sessions(
    caller: Caller, id: str, limit: Limit = 50, cursor: Cursor = None
) -> Page[SignInSession]:
    """List the browsers in which a user is signed in."""
    with caller.work(USER.read) as work:
        work.users.get(id)
        sessions = work.sessions.of_user(id)
    return page_of("sessions", sessions, lambda session: session.id, cursor, limit)


@router.delete("/sessions/{session_id}")
def end_session(caller: Caller, id: str, session_id: str, if_match: IfMatch = None) -> None:
    """Sign a user out of a browser, and revoke every token of that session."""
    with caller.work(USER.write) as work:
        require_match(if_match, work.sessions.get(id, session_id))
        work.sessions.end(id, session_id)


@router.get("/consents")
def list_consents(
    caller: Caller, id: str, limit: Limit = 50, cursor: Cursor = None
) -> Page[Consent]:
    """List what a user allowed clients to do, by client and audience."""
    with caller.work(USER.read) as work:
        work.users.get(id)
        consents = work.consents.of_user(id)
    return page_of("consents", consents, _key, cursor, limit)


@router.delete("/consents/{client_id}")
def withdraw_consents(caller: Caller, id: str, client_id: str) -> None:
    """Withdraw what a user allowed a client at every audience, and revoke the client's tokens.

    Only its tokens of this user. The client must ask the user again.
    """
    with caller.work(USER.write) as work:
        work.consents.withdraw(id, client_id)


@router.get("/delegations")
def list_delegations(
    caller: Caller, id: str, limit: Limit = 50, cursor: Cursor = None
) -> Page[Delegation]:
    """List which clients act for a user now, with tokens that they exchanged (RFC 8693)."""
    with caller.work(USER.read) as work:
        work.users.get(id)
        delegations = work.delegations.of_user(id)
    return page_of("delegations", delegations, _place, cursor, limit)


@router.delete("/delegations/{client_id}")
def end_delegation(caller: Caller, id: str, client_id: str) -> None:
    """Revoke the tokens with which a client acts for a user, and what was exchanged for them.

    The client may not act for the user again, unless the user allows it on a consent page. By the
    password grant and by ID-JAGs there is none.
    """
    with caller.work(USER.write) as work:
        work.delegations.end(id, client_id)


def _place(each: Delegation) -> str:
    return f"{each.client_id} {each.audience} {each.from_client} {each.from_audience}"


def _key(consent: Consent) -> str:
    return f"{consent.client_id} {consent.audience or ''}"
