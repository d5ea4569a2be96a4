"""Audit events of changes, with what differs, written in the transaction of the change."""

import json
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from issuer.audit import store
from issuer.audit.chain_store import CHANGES, ChainHead, ChainKey, Event, append
from issuer.clock import Clock
from issuer.database import Session
from issuer.http.actor import Actor

_MAX_VALUE = 2_048  # bytes of JSON, of a value before or after


def differences(
    before: BaseModel, after: BaseModel, private: Collection[str] = ()
) -> dict[str, Any]:
    """The names of the members that are `changed`, and their values `from` and `to`.

    Of `private` members, and of very long ones, only the name.
    """
    old, new = before.model_dump(mode="json"), after.model_dump(mode="json")
    texts = {name: (_text(old.get(name)), _text(new[name])) for name in sorted(new)}
    changed = [name for name, (was, now) in texts.items() if was != now]
    shown = [
        name for name in changed if name not in private and max(map(len, texts[name])) <= _MAX_VALUE
    ]
    return {
        "changed": changed,
        "from": {name: old.get(name) for name in shown},
        "to": {name: new[name] for name in shown},
    }


def _text(value: object) -> str:
    """In Python 1, 1.0 and True are equal; in JSON they are not."""
    return json.dumps(value, sort_keys=True)


@dataclass(eq=False)
class Trail:
    """The audit trail of one actor in one transaction."""

    key: ChainKey
    clock: Clock
    session: Session
    actor: Actor
    _end: ChainHead | None = field(default=None, init=False)

    def note(self, action: str, target: str | None, **details: object) -> None:
        """Write an event that `action` was done to `target`; committed only with the change.

        One transaction at a time extends the chain of changes, until it ends.
        """
        event = Event(self.clock(), self.actor, action, target, details=details)
        if self._end is None:
            self._end = store.end_of_changes(self.session)
        connection = self.session.connection()
        self._end, _ = append(self.key, connection, CHANGES, self._end, [event])


@dataclass(frozen=True)
class Trails:
    """Begins the audit trails of an issuer."""

    key: ChainKey
    clock: Clock

    def begin(self, session: Session, actor: Actor) -> Trail:
        """The trail of a transaction; there must be only one for each."""
        return Trail(self.key, self.clock, session, actor)
