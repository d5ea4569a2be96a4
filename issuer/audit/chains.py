"""The chains of an issuer, available from every session of its database."""

from collections.abc import Sequence

from issuer.audit import store
from issuer.audit.chain import CHANGES, ChainKey, End
from issuer.audit.event import Event
from issuer.database import Connection, Database, Session

CHAINS = "audit_chains"
_END_OF_CHANGES = "audit_end_of_changes"


class Chains:
    """Adds events to their chains."""

    def __init__(self, key: ChainKey) -> None:
        self.key = key

    def append(self, connection: Connection, chain: str, end: End, events: Sequence[Event]) -> End:
        """Add `events` after `end` in one statement; the new end, if the transaction commits."""
        rows = []
        for row_id, event in zip(store.new_ids(connection, len(events)), events, strict=True):
            row = self.key.linked(event, row_id, chain, end)
            end = End(end.seq + 1, row.hash)
            rows.append(row)
        store.add(connection, rows)
        return end

    def append_change(self, session: Session, event: Event) -> None:
        """Add `event` to the chain of changes, which one transaction at a time extends."""
        end = session.info.get(_END_OF_CHANGES)
        if end is None:
            store.hold_changes(session)
            end = store.end_of(session, CHANGES)
        session.info[_END_OF_CHANGES] = self.append(session.connection(), CHANGES, end, [event])


def keep_chains(database: Database, key: ChainKey) -> Chains:
    """From now on, events in `database` are chained with `key`."""
    database.info[CHAINS] = chains = Chains(key)
    return chains


def chains_of(found_in: Database | Session) -> Chains:
    """The chains of a database or of its session."""
    chains: Chains = found_in.info[CHAINS]
    return chains
