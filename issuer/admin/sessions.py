"""`/users/{id}/sessions` and `…/consents`: where a user is signed in, and what it allowed."""

from issuer.admin.access import Caller
from issuer.admin.problems import documented
from issuer.admin.representations import Cursor, IfMatch, Limit, Page, page_of, require_match
from issuer.admin.routes import admin_router
from issuer.sign_in.session_revoker import Consent
from issuer.sign_in.sessions_store import SignInSession
from issuer.users import USER

router = admin_router("/users/{id}", "users")


@router.get("/sessions", responses=documented("not-found", "invalid-cursor"))
def list_sessions(
    caller: Caller, id: str, limit: Limit = 50, cursor: Cursor = None
) -> Page[SignInSession]:
    """List the browsers in which a user is signed in."""
    with caller.work(USER.read) as work:
        work.users.get(id)
        sessions = work.sessions.of_user(id)
    return page_of("sessions", sessions, lambda session: session.id, cursor, limit)


@router.delete(
    "/sessions/{session_id}",
    status_code=204,
    responses=documented("not-found", "precondition-failed"),
)
def end_session(caller: Caller, id: str, session_id: str, if_match: IfMatch = None) -> None:
    """Sign a user out of a browser, and revoke every token of that session."""
    with caller.work(USER.write) as work:
        require_match(if_match, work.sessions.get(id, session_id))
        work.sessions.end(id, session_id)


@router.get("/consents", responses=documented("not-found", "invalid-cursor"))
def list_consents(
    caller: Caller, id: str, limit: Limit = 50, cursor: Cursor = None
) -> Page[Consent]:
    """List what a user allowed clients to do, by client and audience."""
    with caller.work(USER.read) as work:
        work.users.get(id)
        consents = work.consents.of_user(id)
    return page_of("consents", consents, _key, cursor, limit)


@router.delete("/consents/{client_id}", status_code=204, responses=documented("not-found"))
def withdraw_consents(caller: Caller, id: str, client_id: str) -> None:
    """Withdraw what a user allowed a client at every audience, and revoke the client's tokens.

    Only its tokens of this user. The client must ask the user again.
    """
    with caller.work(USER.write) as work:
        work.consents.withdraw(id, client_id)


def _key(consent: Consent) -> str:
    return f"{consent.client_id} {consent.audience or ''}"
