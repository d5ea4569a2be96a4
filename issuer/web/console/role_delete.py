"""Deleting a role: who has it is said first, and its name must be typed if anybody has."""

from starlette.responses import Response

from issuer.errors import InUse
from issuer.fields.text import escaped
from issuer.roles import ROLE
from issuer.web.console.holders import holders
from issuer.web.console.listing import MOST_COUNTED
from issuer.web.console.role_edit import RoleChange

_NAMED = 5


def delete_role(change: RoleChange) -> Response:
    cascade = change.form.get("cascade") == "yes"
    if not change.is_confirmed:
        return _asked(change)
    if cascade and not change.has_typed(change.key):
        return _asked(change, f"Type {change.key} to confirm.")
    try:
        with change.operator.work(ROLE.write) as work:
            work.roles.delete(change.key, cascade=cascade)
    except InUse:  # assigned since the page was shown
        return _asked(change)
    command = change.deletion(cascade=cascade)
    text = f"The role {change.key} is deleted."
    return change.endpoint.finished("/console/roles", text, command)


def _asked(change: RoleChange, error: str = "") -> Response:
    with change.operator.work(ROLE.read) as work:
        number = work.assignments.count_holders(change.key, MOST_COUNTED)
        some = holders(change.operator, work, change.key, "", "").items[:_NAMED]
    why, fields = "No client or user has it.", {"do": "delete"}
    if number:
        names = ", ".join(f"{each.kind} {escaped(each.name)}" for each in some)
        more = f" and {number - len(some):,} more" if number > len(some) else ""
        who = f"{names}{more}" if names else f"{number:,} clients and users"
        why = f"It is in use: assigned to {who}. It is unassigned from all of them, and they"
        why += " lose its scopes unless they hold them otherwise."
        fields |= {"cascade": "yes"}
    return change.endpoint.ask(
        change.operator,
        change.visit,
        f"Delete the role {change.key}?",
        f"{why} This cannot be undone.",
        "Delete and unassign" if number else "Delete role",
        fields,
        commands=(change.deletion(cascade=bool(number)),),
        typed=change.key if number else "",
        error=error,
    )
