"""What is audited: each action, how it reads as a sentence, and what OCSF calls it.

A sentence names members of an event in braces. `{principal}` is the target where that is a user, a
client or a group, `{target}` where it is something else; other names are those of details. What
stands in brackets is left out where an event does not have what it names, or where the principal
that it names is the actor.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from issuer.fields.text import did_you_mean

_IAM = (3, "Identity & Access Management")
_APPLICATION = (6, "Application Activity")
OTHER_ACTIVITY = 99


@dataclass(frozen=True, slots=True)
class OcsfClass:
    """An event class, with the activities of it that are used."""

    uid: int
    name: str
    category: tuple[int, str]
    activities: Mapping[int, str]


AUTHENTICATION = OcsfClass(3002, "Authentication", _IAM, {1: "Logon", 2: "Logoff"})
ACCOUNT_CHANGE = OcsfClass(
    3001,
    "Account Change",
    _IAM,
    {
        1: "Create",
        2: "Enable",
        3: "Password Change",
        4: "Password Reset",
        5: "Disable",
        6: "Delete",
        9: "Lock",
        10: "MFA Factor Enable",
        11: "MFA Factor Disable",
        12: "Unlock",
    },
)
ENTITY_MANAGEMENT = OcsfClass(
    3004, "Entity Management", _IAM, {1: "Create", 3: "Update", 4: "Delete", 10: "Activate"}
)
USER_ACCESS = OcsfClass(
    3005, "User Access Management", _IAM, {1: "Assign Privileges", 2: "Revoke Privileges"}
)
GROUP_MANAGEMENT = OcsfClass(
    3006, "Group Management", _IAM, {3: "Add User", 4: "Remove User", 5: "Delete", 6: "Create"}
)
API_ACTIVITY = OcsfClass(6003, "API Activity", _APPLICATION, {1: "Create"})


@dataclass(frozen=True, slots=True)
class AuditAction:
    """One action. Without `ocsf_class`, the class follows from its name (`issuer/audit/ocsf.py`).

    `is_suspicious`: a sign of an attack, or of a secret that others have.
    """

    sentence: str
    ocsf_class: OcsfClass | None = None
    activity: int = OTHER_ACTIVITY
    is_suspicious: bool = False


KINDS = {
    "audience": "the audience {target}",
    "role": "the role {target}",
    "trusted_issuer": "the trusted issuer {target}",
    "client": "the client {principal}",
    "user": "the user {principal}",
    "group": "the group {principal}",
}
_CHANGES = {
    "created": "{actor} created ",
    "updated": "{actor} changed [{changed} of ]",
    "deleted": "{actor} deleted ",
}
_OF_KINDS = {
    "user.created": (ACCOUNT_CHANGE, 1),
    "user.deleted": (ACCOUNT_CHANGE, 6),
    "group.created": (GROUP_MANAGEMENT, 6),
    "group.deleted": (GROUP_MANAGEMENT, 5),
}
# An action that is only a sentence stands without `AuditAction`.
_ROWS: Mapping[str, str | AuditAction] = {
    **{
        (name := f"{kind}.{change}"): AuditAction(sentence + thing, *_OF_KINDS.get(name, ()))
        for kind, thing in KINDS.items()
        for change, sentence in _CHANGES.items()
    },
    "client.tokens_revoked": "{actor} revoked all tokens of {principal}",
    "user.tokens_revoked": "{actor} revoked all tokens of {principal}",
    "group.tokens_revoked": "{actor} revoked all tokens of {principal}",
    "audience.exposed": "{actor} found something new in the AgentOS of {target}: {findings}",
    "audience.inspected": "{actor} inspected the AgentOS of {target}",
    "audit.pruned": "{actor} deleted old audit events[, until {until}]",
    "audit.resumed": "Events are audited again after an outage",
    "audit.tested": "{actor} tested whether events are audited",
    "backchannel_logout.refused": "{actor} was refused a back-channel logout[ as {target}]",
    "backup.created": "{actor} wrote a backup",
    "client.credential_kept": "{actor} confirmed a credential of {principal} given by {given_by}",
    "client.registered": "The client {principal} registered itself",
    "client.scopes_expired": "Scopes of {principal} ended: {scopes}",
    "client.secret_created": "{actor} made a secret for {principal}[ ({label})]",
    "client.secret_deleted": "{actor} deleted a secret of {principal}",
    "code.reused": AuditAction(
        "An authorization code of {client_id} for {principal} was used again", is_suspicious=True
    ),
    "consent.denied": "{principal} denied {client_id} access",
    "consent.granted": "{principal} allowed {client_id} access[ to {audience}]",
    "consent.withdrawn": "{actor} withdrew the consent[ of {principal}] for {client_id}",
    "database.restored": "{actor} restored this database from a backup[ of {snapshot_at}]",
    "delegation.ended": "{actor} stopped {client_id} from acting[ for {principal}]",
    "delivery.dropped": "{messages} messages ({kind}) to {principal} had no space in the queue",
    "delivery.given_up": "Messages ({kind}) to {principal} were given up after a day: {reason}",
    "delivery.refused": "{principal} refused a message ({kind}): {reason}",
    "device_authorization.refused": "{actor} was refused a code for a device[ as {principal}]",
    "device_code.issued": "{actor} got a code for a device[ for {audience}]",
    "factor.added": AuditAction(
        "{actor} added a second factor ({kind})[ of {principal}]", ACCOUNT_CHANGE, 10
    ),
    "factor.recovery_code_used": "{principal} used a recovery code",
    "factor.recovery_codes_renewed": "{actor} renewed the recovery codes[ of {principal}]",
    "factor.removed": AuditAction(
        "{actor} removed a second factor ({kind})[ of {principal}]", ACCOUNT_CHANGE, 11
    ),
    "frontchannel_logout.refused": "{actor} was refused a front-channel logout",
    "global_token_revocation.refused": "{actor} was refused a revocation of all tokens of somebody",
    "group.member_added": AuditAction(
        "{actor} added {user_id} to the group {principal}", GROUP_MANAGEMENT, 3
    ),
    "group.member_kept": AuditAction(
        "{actor} confirmed {user_id}[, whom {given_by} added,] in the group {principal}"
    ),
    "group.member_removed": AuditAction(
        "{actor} removed {user_id} from the group {principal}", GROUP_MANAGEMENT, 4
    ),
    "identity.groups_changed": "The groups of {principal} at {issuer} changed",
    "identity.linked": "{actor} linked an account at {issuer} to {principal}",
    "identity.provisioned": "{principal} signed in from {issuer} for the first time",
    "identity.unlinked": "{actor} unlinked an account at {issuer} from {principal}",
    "introspection.refused": "{actor} was refused an introspection[ as {principal}]",
    "invitation.accepted": "{principal} accepted an invitation",
    "invitation.created": "{actor} invited {principal}",
    "invitation.deleted": "{actor} withdrew the invitation of {principal}",
    "issuer.url_changed": "{actor} changed the URL of the issuer[ from {before}] to {target}",
    "key.activated": "{actor} activated the key {target}",
    "key.announced": "{actor} announced the key {target}",
    "key.destroyed": "{actor} destroyed the key {target}",
    "key.drilled": "{actor} rehearsed a rotation to the key {target}",
    "key.revoked": AuditAction("{actor} revoked the key {target}", is_suspicious=True),
    "key.rewrapped": "{actor} encrypted keys under the new master key",
    "mail.failed": "Mail ({kind}) to {principal} failed",
    "mail.sent": "Mail ({kind}) to {principal} was sent",
    "password_reset.completed": "{principal} set a new password by a link",
    "password_reset.requested": "{actor} asked for a link to reset the password[ of {principal}]",
    "pushed_authorization_request.refused": (
        "{actor} was refused a pushed authorization request[ as {principal}]"
    ),
    "refresh.reused": AuditAction(
        "A refresh token of {client_id} for {principal} was used again", is_suspicious=True
    ),
    "refresh.revoked": "{actor} revoked a refresh token of {client_id} for {principal}",
    "registration.refused": AuditAction("{actor} could not register as a client", API_ACTIVITY, 1),
    "revocation.refused": "{actor} was refused a revocation[ as {principal}]",
    "role.assigned": AuditAction(
        "{actor} assigned the role {role} to {principal}[ at {audience}]"
        "[ {everywhere}][ until {expires_at}]",
        USER_ACCESS,
        1,
    ),
    "role.assignment_expired": AuditAction(
        "The role {role} of {principal}[ at {audience}][ {everywhere}] ended", USER_ACCESS, 2
    ),
    "role.unassigned": AuditAction(
        "{actor} unassigned the role {role} from {principal}[ at {audience}][ {everywhere}]",
        USER_ACCESS,
        2,
    ),
    "scim.refused": AuditAction("{actor} was refused at SCIM[ as {principal}]", AUTHENTICATION),
    "security_event.refused": "{actor} was refused a security event",
    "session.began": AuditAction("{principal} signed in", AUTHENTICATION, 1),
    "session.ended": AuditAction("{actor} ended a session[ of {principal}]", AUTHENTICATION, 2),
    "sign_in.failed": AuditAction("{actor} failed to sign in[ as {principal}]", AUTHENTICATION, 1),
    "sign_in.locked": AuditAction(
        "Sign-in was locked[ for {principal}] after wrong attempts",
        ACCOUNT_CHANGE,
        9,
        is_suspicious=True,
    ),
    "signal.received": "{issuer} sent {event}[ about {principal}]",
    "token.issued": AuditAction(
        "{actor} got a token[ for {audience}][ on behalf of {principal}][ through {acting}]",
        AUTHENTICATION,
    ),
    "token.refused": AuditAction("{actor} was refused a token[ as {principal}]", AUTHENTICATION),
    "token.revoked": "{actor} revoked a token[ of {principal}][ for {audience}]",
    "trusted_issuer.kept": "{actor} confirmed the trusted issuer {target} given by {given_by}",
    "trusted_issuer.secret_removed": "{actor} removed the sign-in secret of {target}",
    "trusted_issuer.secret_set": "{actor} set the sign-in secret of {target}",
    "trusted_issuer.sessions_ended": "{actor} ended the sessions from {target}",
    "trusted_issuer.tokens_not_revoked": "Tokens for people of {target} were not revoked",
    "user.access_ended": "{actor} gave {principal} rights here, and credentials of others ended",
    "user.email_change_requested": "{actor} asked for a link to confirm another address",
    "user.factors_reset": AuditAction(
        "{actor} removed all second factors[ of {principal}]", ACCOUNT_CHANGE, 11
    ),
    "user.password_set": AuditAction("{actor} set a password[ for {principal}]", ACCOUNT_CHANGE, 4),
    "user.unlocked": AuditAction("{actor} unlocked {principal}", ACCOUNT_CHANGE, 12),
}
AUDIT_ACTIONS: Mapping[str, AuditAction] = {
    name: AuditAction(row) if isinstance(row, str) else row for name, row in _ROWS.items()
}
ACTION_NAMES = tuple(sorted(AUDIT_ACTIONS))


def require_action(action: str) -> str:
    """`action`, if there is one of that name; else `ValueError`, with the name most like it."""
    if action not in AUDIT_ACTIONS:
        raise ValueError(f"There is no action {action!r}.{did_you_mean(action, ACTION_NAMES)}")
    return action
