"""Audit events by the names of the Open Cybersecurity Schema Framework.

https://schema.ocsf.io/1.8.0; the mapping is documented in docs/reference/audit-ocsf.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from issuer import __version__
from issuer.audit.audit_log_store import AuditEvent
from issuer.audit.chain_store import Outcome

OCSF_VERSION: Final = "1.8.0"

_IAM = (3, "Identity & Access Management")
_APPLICATION = (6, "Application Activity")
_PRODUCT = {"name": "AgentOS issuer", "vendor_name": "agentos-issuer", "version": __version__}
_UNKNOWN = "unknown"
_OTHER = 99
_INFORMATIONAL, _LOW, _MEDIUM = (1, "Informational"), (2, "Low"), (3, "Medium")
# Signs of an attack, or of a secret that others have.
_SUSPICIOUS = frozenset({"code.reused", "key.revoked", "refresh.reused", "sign_in.locked"})


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
    3006,
    "Group Management",
    _IAM,
    {3: "Add User", 4: "Remove User", 5: "Delete", 6: "Create"},
)
API_ACTIVITY = OcsfClass(6003, "API Activity", _APPLICATION, {1: "Create"})

_CLASSES = {
    "token.issued": (AUTHENTICATION, _OTHER),
    "token.refused": (AUTHENTICATION, _OTHER),
    "scim.refused": (AUTHENTICATION, _OTHER),
    "session.began": (AUTHENTICATION, 1),
    "session.ended": (AUTHENTICATION, 2),
    "sign_in.failed": (AUTHENTICATION, 1),
    "sign_in.locked": (ACCOUNT_CHANGE, 9),
    "user.created": (ACCOUNT_CHANGE, 1),
    "user.deleted": (ACCOUNT_CHANGE, 6),
    "user.password_set": (ACCOUNT_CHANGE, 4),
    "user.unlocked": (ACCOUNT_CHANGE, 12),
    "user.factors_reset": (ACCOUNT_CHANGE, 11),
    "factor.added": (ACCOUNT_CHANGE, 10),
    "factor.removed": (ACCOUNT_CHANGE, 11),
    "role.assigned": (USER_ACCESS, 1),
    "role.unassigned": (USER_ACCESS, 2),
    "role.assignment_expired": (USER_ACCESS, 2),
    "group.created": (GROUP_MANAGEMENT, 6),
    "group.deleted": (GROUP_MANAGEMENT, 5),
    "group.member_added": (GROUP_MANAGEMENT, 3),
    "group.member_removed": (GROUP_MANAGEMENT, 4),
    "registration.refused": (API_ACTIVITY, 1),
}
_OF_ACCOUNTS = frozenset({"user", "factor", "identity", "invitation", "password_reset"})
_OF_ENTITIES = {
    **dict.fromkeys(("created", "announced", "granted", "registered"), 1),
    **dict.fromkeys(("updated", "rewrapped", "url_changed"), 3),
    **dict.fromkeys(("deleted", "destroyed", "ended", "revoked", "withdrawn", "pruned"), 4),
    "activated": 10,
}


def as_ocsf(event: AuditEvent) -> dict[str, Any]:
    """The event as OCSF names it; what has no name there is in `unmapped`."""
    ocsf_class, activity_id = _classified(event)
    activity = ocsf_class.activities.get(activity_id, event.action)
    is_done = event.outcome == Outcome.DONE
    severity_id, severity = _INFORMATIONAL if is_done else _LOW
    if event.action in _SUSPICIOUS:
        severity_id, severity = _MEDIUM
    members = {
        "activity_id": activity_id,
        "activity_name": activity,
        "category_uid": ocsf_class.category[0],
        "category_name": ocsf_class.category[1],
        "class_uid": ocsf_class.uid,
        "class_name": ocsf_class.name,
        "type_uid": ocsf_class.uid * 100 + activity_id,
        "type_name": f"{ocsf_class.name}: {activity if activity_id != _OTHER else 'Other'}",
        "severity_id": severity_id,
        "severity": severity,
        "status_id": 1 if is_done else 2,
        "status": "Success" if is_done else "Failure",
        "status_detail": event.reason,
        "time": int(event.at.timestamp() * 1000),
        "count": event.count,
        "message": " ".join(filter(None, (event.action, event.target))),
        "metadata": _metadata(event),
        "actor": {"user": {"uid": event.actor}} if event.actor else None,
        "src_endpoint": _endpoint(event.address),
        **_of_the_class(ocsf_class, event),
        "unmapped": {"details": event.details, "hash": event.hash, "id": event.id},
    }
    return {name: value for name, value in members.items() if value is not None}


def _classified(event: AuditEvent) -> tuple[OcsfClass, int]:
    subject, _, verb = event.action.partition(".")
    if found := _CLASSES.get(event.action):
        if event.action == "user.password_set" and event.actor == event.target:
            return ACCOUNT_CHANGE, 3
        return found
    if subject not in _OF_ACCOUNTS:
        return ENTITY_MANAGEMENT, _OF_ENTITIES.get(verb, _OTHER)
    disabled = event.details.get("to", {}).get("disabled")
    return ACCOUNT_CHANGE, {True: 5, False: 2}.get(disabled, _OTHER)


def _metadata(event: AuditEvent) -> dict[str, Any]:
    correlation = {"correlation_uid": event.request_id} if event.request_id else {}
    return {
        "version": OCSF_VERSION,
        "product": _PRODUCT,
        "log_name": event.chain,
        "sequence": event.seq,
        # Not chain and number: those of events that a restore has undone are used again.
        "uid": event.hash,
        "event_code": event.action,
        **correlation,
    }


def _endpoint(address: str | None) -> dict[str, str] | None:
    """A flood of refusals has the network of its senders instead of an address."""
    if address is None:
        return None
    return {"name": address} if "/" in address else {"ip": address}


def _of_the_class(ocsf_class: OcsfClass, event: AuditEvent) -> dict[str, Any]:
    target = event.target or event.actor or _UNKNOWN
    if ocsf_class is ENTITY_MANAGEMENT:
        return {"entity": {"uid": target, "type": event.action.partition(".")[0], "type_id": 99}}
    if ocsf_class is API_ACTIVITY:
        return {
            "api": {"operation": event.action},
            "actor": {"user": {"uid": event.actor or _UNKNOWN}},
            "src_endpoint": _endpoint(event.address) or {"name": _UNKNOWN},
        }
    if ocsf_class is GROUP_MANAGEMENT:
        member = event.details.get("user_id")
        return {"group": {"uid": target}} | ({"user": {"uid": member}} if member else {})
    members: dict[str, Any] = {"user": {"uid": target}}
    if ocsf_class is USER_ACCESS:
        members["privileges"] = [str(event.details.get("role"))]
    if ocsf_class is AUTHENTICATION:
        members["service"] = {"name": str(event.details.get("audience") or "issuer")}
    return members
