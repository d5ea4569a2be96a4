"""Refusals of a flood: counted in memory, written once a minute."""

import threading
from collections.abc import Hashable
from dataclasses import replace
from datetime import timedelta
from random import Random

from issuer.audit.chain import ChainKey
from issuer.audit.event import Event
from issuer.audit.flood import count_in
from issuer.audit.own_chain import OwnChain
from issuer.database import Database
from issuer.http.actor import Actor

WRITE_EVERY = timedelta(minutes=1)
MAX_KINDS = 100


class GatheredRefusals:
    """Counts cheap refusals instead of writing a row for each. A crash loses those of a minute.

    Refusals of one actor and address, for one reason, are one event; beyond the first hundred
    kinds, actor and address are left out.
    """

    def __init__(
        self, database: Database, key: ChainKey, random: Random, max_kinds: int = MAX_KINDS
    ) -> None:
        self._chain = OwnChain(database, key, random)
        self._max_kinds = max_kinds
        self._lock = threading.Lock()
        self._gathered: dict[Hashable, Event] = {}

    def note(self, event: Event) -> None:
        """Count one more. Of equal refusals, the details of the first are kept."""
        with self._lock:
            self._gather(event)

    def write(self) -> None:
        """Write what was counted to the audit log; kept for the next time if that fails."""
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
        count_in(self._gathered, _kind(event), event)


def _kind(event: Event) -> Hashable:
    return event.actor.id, event.actor.address, event.action, event.reason
