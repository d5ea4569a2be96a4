"""Refusals of a flood: counted in memory, written now and then."""

import threading
from collections.abc import Hashable
from dataclasses import replace
from datetime import timedelta
from random import Random

from issuer.audit.event import Actor, Event
from issuer.audit.own_chain import OwnChain
from issuer.database import Database

WRITE_EVERY = timedelta(minutes=1)
MAX_KINDS = 100


class GatheredRefusals:
    """A refusal that cost nothing to decide must not cost a row. A crash loses those of a minute.

    Those of one actor and address, for one reason, are one event; so are all beyond the first
    hundred kinds.
    """

    def __init__(self, database: Database, random: Random, max_kinds: int = MAX_KINDS) -> None:
        self._chain = OwnChain(database, random)
        self._max_kinds = max_kinds
        self._lock = threading.Lock()
        self._gathered: dict[Hashable, Event] = {}

    def note(self, event: Event) -> None:
        """One more. Of those put together the first is what is known."""
        with self._lock:
            self._gather(event)

    def write(self) -> None:
        """Put on record what was noted; kept for the next time if the database is away."""
        with self._lock:
            gathered, self._gathered = self._gathered, {}
        if not gathered:
            return
        try:
            self._chain.append(list(gathered.values()))
        except Exception:
            with self._lock:
                for event in gathered.values():
                    self._gather(event)
            raise

    def _gather(self, event: Event) -> None:
        if len(self._gathered) >= self._max_kinds and _kind(event) not in self._gathered:
            event = replace(event, actor=Actor())
        kind = _kind(event)
        first = self._gathered.get(kind)
        self._gathered[kind] = replace(first, count=first.count + event.count) if first else event


def _kind(event: Event) -> Hashable:
    return event.actor.id, event.actor.address, event.action, event.reason
