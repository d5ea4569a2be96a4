"""The record: who did what to what, and how it ended. Append-only.

`Trail` writes an event into the transaction that makes the change. `AuditWriter` makes what
must survive a refusal durable by itself, many events to a commit; `GatheredRefusals` counts those
of a flood. Events hang together by keyed hashes, which `Checkpoints` anchor and `verify` checks;
`Retention` deletes what is too old.
"""

from issuer.audit.audit_log import AuditEvent, AuditLog, EventFilter
from issuer.audit.chain import ChainKey
from issuer.audit.chains import keep_chains
from issuer.audit.checkpoints import Checkpoints
from issuer.audit.differences import differences
from issuer.audit.event import Actor, Event, Outcome
from issuer.audit.gathering import GatheredRefusals
from issuer.audit.retention import Retention
from issuer.audit.trail import Trail
from issuer.audit.verification import Verification, verify
from issuer.audit.writer import AuditWriter

__all__ = [
    "Actor",
    "AuditEvent",
    "AuditLog",
    "AuditWriter",
    "ChainKey",
    "Checkpoints",
    "Event",
    "EventFilter",
    "GatheredRefusals",
    "Outcome",
    "Retention",
    "Trail",
    "Verification",
    "differences",
    "keep_chains",
    "verify",
]
