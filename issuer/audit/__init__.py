"""The audit log: who did what to what, and with which outcome. Append-only.

`Trail` writes an event in the transaction of the change. `AuditWriter` commits events that must
survive a refusal in transactions of its own, many at a time; `RefusalAggregator` counts those of a
flood. Keyed hashes chain the events; `Checkpoints` anchor the chains; `Retention` deletes old ones.
"""

from issuer.audit.audit_log_store import AuditEvent, EventFilter
from issuer.audit.chain_store import ChainKey, Event
from issuer.audit.checkpoints import Checkpoints
from issuer.audit.retention import Retention
from issuer.audit.trail import Trail, Trails
from issuer.audit.writer import AuditWriter, RefusalAggregator
from issuer.http.actor import Actor

__all__ = ["Actor", "AuditEvent", "AuditWriter", "ChainKey", "Checkpoints", "Event", "EventFilter"]
__all__ += ["RefusalAggregator", "Retention", "Trail", "Trails"]
