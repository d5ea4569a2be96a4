"""Adding events to their chains."""

from collections.abc import Sequence

from issuer.audit import store
from issuer.audit.chain import ChainKey, End
from issuer.audit.event import Event
from issuer.database import Connection


def append(
    key: ChainKey, connection: Connection, chain: str, end: End, events: Sequence[Event]
) -> End:
    """Add `events` after `end` in one statement; the new end, if the transaction commits."""
    rows = []
    for row_id, event in zip(store.new_ids(connection, len(events)), events, strict=True):
        row = key.linked(event, row_id, chain, end)
        end = End(end.seq + 1, row.hash)
        rows.append(row)
    store.add(connection, rows)
    return end
