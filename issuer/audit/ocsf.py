"""Audit events by the names of the Open Cybersecurity Schema Framework.

https://schema.ocsf.io/1.8.0; the mapping is documented in docs/reference/audit-ocsf.md.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from issuer import __version__
from issuer.audit import actions
from issuer.audit.actions import AUDIT_ACTIONS, OTHER_ACTIVITY, OcsfClass
from issuer.audit.audit_log_store import AuditEvent
from issuer.audit.chain_store import Outcome

OCSF_VERSION: Final = "1.8.0"

_PRODUCT = {"name": "AgentOS issuer", "vendor_name": "agentos-issuer", "version": __version__}
_UNKNOWN = "unknown"
_INFORMATIONAL, _LOW, _MEDIUM = (1, "Informational"), (2, "Low"), (3, "Medium")
_OF_ACCOUNTS = frozenset({"user", "factor", "identity", "invitation", "password_reset"})
_OF_ENTITIES = {
    **dict.fromkeys(("created", "announced", "granted", "registered"), 1),
    **dict.fromkeys(("updated", "rewrapped", "url_changed"), 3),
    **dict.fromkeys(("deleted", "destroyed", "ended", "revoked", "withdrawn", "pruned"), 4),
    "activated": 10,
}


def as_ocsf(event: AuditEvent) -> dict[str, Any]:
    """The event as OCSF names it; what has no name there is in `unmapped`."""
    ocsf_class, activity_id = _classify(event)
    activity = ocsf_class.activities.get(activity_id, event.action)
    is_done, action = event.outcome == Outcome.DONE, AUDIT_ACTIONS.get(event.action)
    severity_id, severity = _INFORMATIONAL if is_done else _LOW
    if action and action.is_suspicious:
        severity_id, severity = _MEDIUM
    members = {
        "activity_id": activity_id,
        "activity_name": activity,
        "category_uid": ocsf_class.category[0],
        "category_name": ocsf_class.category[1],
        "class_uid": ocsf_class.uid,
        "class_name": ocsf_class.name,
        "type_uid": ocsf_class.uid * 100 + activity_id,
        "type_name": f"{ocsf_class.name}: {activity if activity_id != OTHER_ACTIVITY else 'Other'}",
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
        **_members_of(ocsf_class, event),
        "unmapped": {"details": event.details, "hash": event.hash, "id": event.id},
    }
    return {name: value for name, value in members.items() if value is not None}


def _metadata(event: AuditEvent) -> dict[str, Any]:
    return {
        "version": OCSF_VERSION,
        "product": _PRODUCT,
        "log_name": event.chain,
        "sequence": event.seq,
        # Not chain and number: those of events that a restore has undone are used again.
        "uid": event.hash,
        "event_code": event.action,
        **({"correlation_uid": event.request_id} if event.request_id else {}),
    }


def _classify(event: AuditEvent) -> tuple[OcsfClass, int]:
    subject, _, verb = event.action.partition(".")
    action = AUDIT_ACTIONS.get(event.action)
    if action and action.ocsf_class:
        if event.action == "user.password_set" and event.actor == event.target:
            return actions.ACCOUNT_CHANGE, 3
        return action.ocsf_class, action.activity
    if subject not in _OF_ACCOUNTS:
        return actions.ENTITY_MANAGEMENT, _OF_ENTITIES.get(verb, OTHER_ACTIVITY)
    disabled = event.details.get("to", {}).get("disabled")
    return actions.ACCOUNT_CHANGE, {True: 5, False: 2}.get(disabled, OTHER_ACTIVITY)


def _endpoint(address: str | None) -> dict[str, str] | None:
    """A flood of refusals has the network of its senders instead of an address."""
    if address is None:
        return None
    return {"name": address} if "/" in address else {"ip": address}


# What only events of a class have, of their target; of other classes, it is the user.
_BY_CLASS: Mapping[str, Callable[[AuditEvent, str], dict[str, Any]]] = {
    actions.USER_ACCESS.name: lambda event, target: {
        "user": {"uid": target},
        "privileges": [str(event.details.get("role"))],
    },
    actions.AUTHENTICATION.name: lambda event, target: {
        "user": {"uid": target},
        "service": {"name": str(event.details.get("audience") or "issuer")},
    },
    actions.GROUP_MANAGEMENT.name: lambda event, target: {
        "group": {"uid": target},
        **({"user": {"uid": member}} if (member := event.details.get("user_id")) else {}),
    },
    actions.ENTITY_MANAGEMENT.name: lambda event, target: {
        "entity": {"uid": target, "type": event.action.partition(".")[0], "type_id": 99}
    },
    actions.API_ACTIVITY.name: lambda event, _: {
        "api": {"operation": event.action},
        "actor": {"user": {"uid": event.actor or _UNKNOWN}},
        "src_endpoint": _endpoint(event.address) or {"name": _UNKNOWN},
    },
}


def _members_of(ocsf_class: OcsfClass, event: AuditEvent) -> dict[str, Any]:
    target, of_class = event.target or event.actor or _UNKNOWN, _BY_CLASS.get(ocsf_class.name)
    return of_class(event, target) if of_class else {"user": {"uid": target}}
