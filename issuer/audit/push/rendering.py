"""The members of an event as it is sent; `resent` if it may have been sent before."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from issuer.audit.audit_log import AuditEvent
from issuer.audit.ocsf import as_ocsf

Render: TypeAlias = Callable[[AuditEvent, bool], dict[str, Any]]


def _by_our_names(event: AuditEvent, is_again: bool) -> dict[str, Any]:
    return event.model_dump(mode="json") | _mark(is_again)


def _by_ocsf_names(event: AuditEvent, is_again: bool) -> dict[str, Any]:
    members = as_ocsf(event)
    members["unmapped"] |= _mark(is_again)
    return members


def _mark(is_again: bool) -> dict[str, bool]:
    return {"resent": True} if is_again else {}


# By the values of the setting.
RENDERERS: Mapping[str, Render] = {"json": _by_our_names, "ocsf": _by_ocsf_names}
