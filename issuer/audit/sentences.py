"""Audit events as sentences: every action, and how one reads.

A template names members of an event in braces. `{principal}` is the target where that is a user, a
client or a group, `{target}` where it is something else; other names are those of details. What
stands in brackets is left out where an event does not have what it names, or where the principal
that it names is the actor.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from string import Formatter

from issuer.audit.audit_log_store import AuditEvent
from issuer.fields.text import did_you_mean, escaped
from issuer.fields.times import utc

_KINDS = {
    "audience": "the audience {target}",
    "role": "the role {target}",
    "trusted_issuer": "the trusted issuer {target}",
    "client": "the client {principal}",
    "user": "the user {principal}",
    "group": "the group {principal}",
}
_OF_ALL = {
    f"{name}.{what}": template + thing
    for name, thing in _KINDS.items()
    for what, template in (
        ("created", "{actor} created "),
        ("updated", "{actor} changed [{changed} of ]"),
        ("deleted", "{actor} deleted "),
    )
}
_OF_PRINCIPALS = {
    f"{kind}.tokens_revoked": "{actor} revoked all tokens of {principal}"
    for kind in ("client", "user", "group")
}
# Of every action.
TEMPLATES: Mapping[str, str] = {
    **_OF_ALL,
    **_OF_PRINCIPALS,
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
    "code.reused": "An authorization code of {client_id} for {principal} was used again",
    "consent.denied": "{principal} denied {client_id} access",
    "consent.granted": "{principal} allowed {client_id} access[ to {audience}]",
    "consent.withdrawn": "{actor} withdrew the consent[ of {principal}] for {client_id}",
    "database.restored": "{actor} restored this database from a backup[ of {snapshot_at}]",
    "delegation.ended": "{actor} stopped {client_id} from acting[ for {principal}]",
    "device_authorization.refused": "{actor} was refused a code for a device[ as {principal}]",
    "device_code.issued": "{actor} got a code for a device[ for {audience}]",
    "factor.added": "{actor} added a second factor ({kind})[ of {principal}]",
    "factor.recovery_code_used": "{principal} used a recovery code",
    "factor.recovery_codes_renewed": "{actor} renewed the recovery codes[ of {principal}]",
    "factor.removed": "{actor} removed a second factor ({kind})[ of {principal}]",
    "group.member_added": "{actor} added {user_id} to the group {principal}",
    "group.member_kept": (
        "{actor} confirmed {user_id}[, whom {given_by} added,] in the group {principal}"
    ),
    "group.member_removed": "{actor} removed {user_id} from the group {principal}",
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
    "key.revoked": "{actor} revoked the key {target}",
    "key.rewrapped": "{actor} encrypted keys under the new master key",
    "mail.failed": "Mail ({kind}) to {principal} failed",
    "mail.sent": "Mail ({kind}) to {principal} was sent",
    "password_reset.completed": "{principal} set a new password by a link",
    "password_reset.requested": "{actor} asked for a link to reset the password[ of {principal}]",
    "refresh.reused": "A refresh token of {client_id} for {principal} was used again",
    "refresh.revoked": "{actor} revoked a refresh token of {client_id} for {principal}",
    "registration.refused": "{actor} could not register as a client",
    "revocation.refused": "{actor} was refused a revocation[ as {principal}]",
    "role.assigned": (
        "{actor} assigned the role {role} to {principal}[ at {audience}]"
        "[ {everywhere}][ until {expires_at}]"
    ),
    "role.assignment_expired": (
        "The role {role} of {principal}[ at {audience}][ {everywhere}] ended"
    ),
    "role.unassigned": (
        "{actor} unassigned the role {role} from {principal}[ at {audience}][ {everywhere}]"
    ),
    "scim.refused": "{actor} was refused at SCIM[ as {principal}]",
    "session.began": "{principal} signed in",
    "session.ended": "{actor} ended a session[ of {principal}]",
    "sign_in.failed": "{actor} failed to sign in[ as {principal}]",
    "sign_in.locked": "Sign-in was locked[ for {principal}] after wrong attempts",
    "token.issued": (
        "{actor} got a token[ for {audience}][ on behalf of {principal}][ through {acting}]"
    ),
    "token.refused": "{actor} was refused a token[ as {principal}]",
    "token.revoked": "{actor} revoked a token[ of {principal}][ for {audience}]",
    "trusted_issuer.kept": "{actor} confirmed the trusted issuer {target} given by {given_by}",
    "trusted_issuer.secret_removed": "{actor} removed the sign-in secret of {target}",
    "trusted_issuer.secret_set": "{actor} set the sign-in secret of {target}",
    "trusted_issuer.sessions_ended": "{actor} ended the sessions from {target}",
    "trusted_issuer.tokens_not_revoked": "Tokens for people of {target} were not revoked",
    "user.access_ended": "{actor} gave {principal} rights here, and credentials of others ended",
    "user.factors_reset": "{actor} removed all second factors[ of {principal}]",
    "user.password_set": "{actor} set a password[ for {principal}]",
    "user.unlocked": "{actor} unlocked {principal}",
}
ACTIONS = tuple(sorted(TEMPLATES))
_PRINCIPALS = {"actor", "principal", "client_id", "user_id", "given_by"}
_INSTANTS = {"expires_at", "snapshot_at", "until"}
_WORDS = {"action", "changed", "everywhere", "kind", "label"} | _INSTANTS
_UNKNOWN = "{actor}: {action}[ {target}]"
_NOBODY = "an unauthenticated caller"
_MAX_CHARACTERS, _MAX_OF_REASON, _MAX_LISTED = 80, 200, 5
_CLAUSES = re.compile(r"\[([^\]]*)\]|([^\[]+)")


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a sentence: words, or the name of something. `id` is that of a principal.

    `is_quoted`: words that somebody wrote, such as a label or a reason.
    """

    text: str
    is_name: bool = False
    id: str = ""
    is_quoted: bool = False


def sentence(event: AuditEvent, names: Mapping[str, str]) -> tuple[Part, ...]:
    """What happened, without time and address. `names` are those of principals, by id."""
    values = _values(event)
    parts = [
        part
        for clause in _clauses(_template(event), values)
        for part in _parts(clause, values, names)
    ]
    if not parts[0].is_name:
        parts[0] = Part(parts[0].text[:1].upper() + parts[0].text[1:])
    reason = event.reason or event.details.get("reason")
    if isinstance(reason, str):
        parts += [Part(": "), Part(_bounded(reason, _MAX_OF_REASON), is_quoted=True)]
    if event.count > 1:
        parts.append(Part(f" ({event.count:,} times)"))
    return tuple(parts)


def in_words(event: AuditEvent, names: Mapping[str, str]) -> str:
    """The sentence as one line of text, safe to print."""
    return escaped("".join(part.text for part in sentence(event, names)))


def principals_of(event: AuditEvent) -> set[str]:
    """What its sentence may name by an id that may be that of a principal."""
    found = [event.actor, event.target, *(event.details.get(each) for each in _PRINCIPALS)]
    return {each for each in found if isinstance(each, str)}


def require_action(action: str) -> str:
    """`action`, if there is one of that name; else `ValueError`, with the name most like it."""
    if action not in TEMPLATES:
        raise ValueError(f"There is no action {action!r}.{did_you_mean(action, ACTIONS)}")
    return action


def _template(event: AuditEvent) -> str:
    kind, _, verb = event.action.partition(".")
    if verb == "updated" and event.details.get("changed") == ["disabled"] and kind in _KINDS:
        is_disabled = event.details.get("to", {}).get("disabled")
        return f"{{actor}} {'disabled' if is_disabled else 'enabled'} {_KINDS[kind]}"
    return TEMPLATES.get(event.action, _UNKNOWN)


def _values(event: AuditEvent) -> dict[str, str]:
    """What a template may name, without what the event does not have."""
    details = event.details
    found: dict[str, object] = {
        **details,
        "actor": event.actor or _NOBODY,
        "action": event.action,
        "target": event.target,
        "principal": event.target,
        "acting": ", then ".join(event.actors),
        "everywhere": "everywhere" if details.get("audience", "") is None else None,
    }
    texts = ((name, _text(value)) for name, value in found.items())
    return {name: text for name, text in texts if text}


def _text(value: object) -> str:
    if isinstance(value, list):
        more = f" and {len(value) - _MAX_LISTED} more" if len(value) > _MAX_LISTED else ""
        return ", ".join(map(str, value[:_MAX_LISTED])) + more
    return value if isinstance(value, str) else ""


def _clauses(template: str, values: Mapping[str, str]) -> Iterator[str]:
    """What is not in brackets, and what in brackets has all that it names."""
    for optional, always in _CLAUSES.findall(template):
        named = [name for _, name, _, _ in Formatter().parse(optional) if name]
        is_own = "principal" in named and values.get("principal") == values["actor"]
        if always or (not is_own and all(map(values.__contains__, named))):
            yield optional or always


def _parts(clause: str, values: Mapping[str, str], names: Mapping[str, str]) -> Iterator[Part]:
    for words, name, _, _ in Formatter().parse(clause):
        if words:
            yield Part(words)
        if name:
            yield _named(name, values, names)


def _named(name: str, values: Mapping[str, str], names: Mapping[str, str]) -> Part:
    text = values.get(name, "something unknown")
    if name in _INSTANTS:
        text = _instant(text)
    if name in _WORDS or (name == "actor" and text == _NOBODY):
        return Part(_bounded(text, _MAX_OF_REASON), is_quoted=True)
    if name in _PRINCIPALS:
        return Part(_bounded(names.get(text) or _as_audited(text, name, values)), True, text)
    return Part(_bounded(text), True)


def _instant(text: str) -> str:
    """As people read it, if it is one."""
    try:
        return utc(datetime.fromisoformat(text))
    except ValueError:
        return text


def _as_audited(key: str, name: str, values: Mapping[str, str]) -> str:
    """The id, after the name that a user who is deleted had then."""
    username = values.get("username") if name == "principal" else None
    return f"{username} ({key})" if username and username != key else key


def _bounded(text: str, most: int = _MAX_CHARACTERS) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
