"""How far a reader of the audit log has come: what it must know to continue."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from issuer.errors import IssuerError

_MAX_TEXT = 64 * 1024
_TEXT = re.compile(r"[0-9]{1,18}(~[a-z0-9]{1,32}=[0-9]{1,18})*")


@dataclass(frozen=True, slots=True)
class Bookmark:
    """All events until the id `settled` were read, and those of each chain in `read` until its id.

    Within a chain, ids ascend in the order of commits. Between chains they do not: processes
    commit at the same time, so an event may appear after others that have a higher id.
    """

    settled: int = 0
    read: Mapping[str, int] = field(default_factory=dict)

    def covers(self, chain: str, event_id: int) -> bool:
        """Whether this event was read."""
        return event_id <= self.settled or event_id <= self.read.get(chain, 0)

    def after(self, chain: str, event_id: int, settled: int) -> Self:
        """When this event was read too, and every other one until its id that is committed.

        No event until the id `settled` will be committed any more.
        """
        read = {**self.read, chain: event_id}
        return type(self)(self.settled, read).settled_through(min(settled, event_id))

    def settled_through(self, event_id: int) -> Self:
        """When every event until this id was read, and no other will be committed."""
        settled = max(self.settled, event_id)
        return type(self)(settled, {name: at for name, at in self.read.items() if at > settled})

    def __or__(self, other: Self) -> Self:
        """What either covers."""
        names = self.read.keys() | other.read.keys()
        read = {name: max(self.read.get(name, 0), other.read.get(name, 0)) for name in names}
        return type(self)(self.settled, read).settled_through(other.settled)

    def __str__(self) -> str:
        """As text that `parse` reads, such as `4711` or `4711~changes=4713`."""
        return "~".join([str(self.settled), *(f"{name}={at}" for name, at in self.read.items())])

    @classmethod
    def parse(cls, text: str) -> Self:
        """The bookmark of this text; `IssuerError` for any other text."""
        if len(text) > _MAX_TEXT or not _TEXT.fullmatch(text):
            raise IssuerError("This is not a cursor of the audit log, such as 4711.")
        settled, *parts = text.split("~")
        read = (part.split("=") for part in parts)
        return cls(int(settled), {name: int(at) for name, at in read})
