"""Audit events as sentences. How each action reads is in `issuer/audit/actions.py`."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from string import Formatter

from issuer.audit.actions import AUDIT_ACTIONS, KINDS
from issuer.audit.audit_log_store import AuditEvent
from issuer.fields.text import escape
from issuer.fields.times import utc

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
    clauses = _clauses(_template(event), values)
    parts = [part for clause in clauses for part in _parts(clause, values, names)]
    if not parts[0].is_name:
        parts[0] = Part(parts[0].text[:1].upper() + parts[0].text[1:])
    reason = event.reason or event.details.get("reason")
    if isinstance(reason, str):
        parts += [Part(": "), Part(_shorten(reason, _MAX_OF_REASON), is_quoted=True)]
    if event.count > 1:
        parts.append(Part(f" ({event.count:,} times)"))
    return tuple(parts)


def in_words(event: AuditEvent, names: Mapping[str, str]) -> str:
    """The sentence as one line of text, safe to print."""
    return escape("".join(part.text for part in sentence(event, names)))


def principals_of(event: AuditEvent) -> set[str]:
    """What its sentence may name by an id that may be that of a principal."""
    found = [event.actor, event.target, *(event.details.get(each) for each in _PRINCIPALS)]
    return {each for each in found if isinstance(each, str)}


def _template(event: AuditEvent) -> str:
    kind, _, verb = event.action.partition(".")
    if verb == "updated" and event.details.get("changed") == ["disabled"] and kind in KINDS:
        is_disabled = event.details.get("to", {}).get("disabled")
        return f"{{actor}} {'disabled' if is_disabled else 'enabled'} {KINDS[kind]}"
    action = AUDIT_ACTIONS.get(event.action)
    return action.sentence if action else _UNKNOWN


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
            yield _name_part(name, values, names)


def _name_part(name: str, values: Mapping[str, str], names: Mapping[str, str]) -> Part:
    text = values.get(name, "something unknown")
    if name in _INSTANTS:
        text = _instant(text)
    if name in _WORDS or (name == "actor" and text == _NOBODY):
        return Part(_shorten(text, _MAX_OF_REASON), is_quoted=True)
    if name in _PRINCIPALS:
        return Part(_shorten(names.get(text) or _as_audited(text, name, values)), True, text)
    return Part(_shorten(text), True)


def _instant(text: str) -> str:
    try:
        return utc(datetime.fromisoformat(text))
    except ValueError:
        return text


def _as_audited(key: str, name: str, values: Mapping[str, str]) -> str:
    """The id, after the name that a user who is deleted had then."""
    username = values.get("username") if name == "principal" else None
    return f"{username} ({key})" if username and username != key else key


def _shorten(text: str, most: int = _MAX_CHARACTERS) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
