"""What a person reads of the audit log: what happened to their own account, without other names."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from issuer.audit.audit_log_store import AuditEvent, AuditLog
from issuer.languages import N_, _

IN_SIGHT_FOR = timedelta(days=30)
_MOST = 50
_BY_NOBODY = "issuer:"  # begins the actors of what the issuer does by itself
# Tokens are left out: an application asks for one every few minutes.
SENTENCES = {
    "code.reused": N_("The access of an application was used twice, and has ended"),
    "consent.denied": N_("An application was denied access"),
    "consent.granted": N_("An application was allowed to act for you"),
    "consent.withdrawn": N_("An application no longer acts for you"),
    "delegation.ended": N_("A service was stopped from acting for you"),
    "factor.added": N_("A second factor was added"),
    "factor.recovery_code_used": N_("A recovery code was used"),
    "factor.recovery_codes_renewed": N_("New recovery codes were made"),
    "factor.removed": N_("A second factor was removed"),
    "identity.linked": N_("An account was linked"),
    "identity.unlinked": N_("An account was unlinked"),
    "invitation.accepted": N_("An invitation was accepted"),
    "invitation.created": N_("You were invited"),
    "password_reset.completed": N_("A new password was set by a link"),
    "password_reset.requested": N_("A link for a new password was asked for"),
    "refresh.reused": N_("The access of an application was used twice, and has ended"),
    "role.assigned": N_("You got a role"),
    "role.assignment_expired": N_("A role of yours ended"),
    "role.unassigned": N_("You lost a role"),
    "session.began": N_("Signed in"),
    "session.ended": N_("A browser was signed out"),
    "sign_in.failed": N_("A sign-in failed"),
    "sign_in.locked": N_("Signing in was locked after wrong attempts"),
    "user.access_ended": N_("You got rights at this issuer, and what others had set for you ended"),
    "user.email_change_requested": N_("A link to confirm another address was asked for"),
    "user.factors_reset": N_("All second factors were removed"),
    "user.password_set": N_("A password was set"),
    "user.tokens_revoked": N_("You were signed out everywhere"),
    "user.unlocked": N_("Signing in was unlocked"),
    "user.updated": N_("Your account was changed"),
}


@dataclass(frozen=True, slots=True)
class Activity:
    """An event of a person's account. `client_id` or `about` says what it is about, if anything.

    `address` is where it came from, if it came from the person, or from somebody who tried to sign
    in as them; `by_others`: an administrator did it.
    """

    at: datetime
    text: str
    client_id: str
    about: str
    address: str
    by_others: bool


def activity_of(log: AuditLog, user_id: str, since: datetime) -> Iterator[Activity]:
    """The newest events of the user since then, newest first."""
    for event in log.about(user_id, _MOST, [*SENTENCES]):
        if event.at >= since:
            yield _activity(event, user_id)


def _activity(event: AuditEvent, user_id: str) -> Activity:
    by_others = event.actor not in {None, user_id} and not str(event.actor).startswith(_BY_NOBODY)
    details = event.details
    return Activity(
        at=event.at,
        text=_(SENTENCES[event.action]),
        client_id=str(details.get("client_id") or ""),
        about=str(details.get("role") or details.get("issuer") or ""),
        address="" if by_others else event.address or "",
        by_others=by_others,
    )
