"""The audit log: who did what to what, and with which outcome. Append-only.

`Trail` writes an event in the transaction of the change. `AuditWriter` commits events that must
survive a refusal in transactions of its own, many at a time; `RefusalAggregator` counts those of a
flood. Keyed hashes chain the events; `Checkpoints` anchor the chains and `verify` checks them;
`Retention` deletes old events; `TokenCounts` counts those about tokens; `AuditReader` reads them as
they come.
"""

from issuer.audit.audit_log_store import AuditEvent, AuditLog, EventFilter, is_event_id
from issuer.audit.chain_store import ChainKey, Event, Outcome
from issuer.audit.checkpoints import Checkpoints, Coverage
from issuer.audit.counts_store import TokenCount, TokenCounts
from issuer.audit.flood import RefusalAggregator
from issuer.audit.following import AuditReader, Bookmark
from issuer.audit.retention import Retention
from issuer.audit.trail import Trail, Trails, differences
from issuer.audit.verification import Verification, verify
from issuer.audit.writer import AuditWriter
from issuer.http.actor import Actor

__all__ = [
    "Actor",
    "AuditEvent",
    "AuditLog",
    "AuditReader",
    "AuditWriter",
    "Bookmark",
    "ChainKey",
    "Checkpoints",
    "Coverage",
    "Event",
    "EventFilter",
    "Outcome",
    "RefusalAggregator",
    "Retention",
    "TokenCount",
    "TokenCounts",
    "Trail",
    "Trails",
    "Verification",
    "differences",
    "is_event_id",
    "verify",
]
