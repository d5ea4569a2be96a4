"""The audit log: writing, anchoring, verifying and pruning it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from issuer.audit import (
    AuditWriter,
    Checkpoints,
    RefusalAggregator,
    Retention,
    TokenCounts,
    Verification,
    verify,
)
from issuer.audit.push import RENDERERS, Pusher, build_destination
from issuer.composition.foundation import Foundation
from issuer.keys import Keyring
from issuer.keys.jwks import StatementReader
from issuer.vocabulary import AUDIT_CHECKPOINT_TYPE


@dataclass(frozen=True)
class AuditParts:
    foundation: Foundation
    keyring: Keyring
    writer: AuditWriter
    refusals: RefusalAggregator
    checkpoints: Checkpoints
    token_counts: TokenCounts
    pusher: Pusher | None

    def make_checkpoint(self) -> None:
        """Make a checkpoint, unless another process has just made one."""
        every = self.foundation.settings.audit_checkpoint_every
        self.checkpoints.make(self.foundation.clock() - every / 2)

    def prune(self) -> None:
        """Delete the audit events that are older than `ISSUER_AUDIT_KEEP`."""
        if (keep := self.foundation.settings.audit_keep) is not None:
            audited = (self.foundation.chain_key, self.foundation.trails, self.checkpoints)
            Retention(self.foundation.database, self.foundation.clock, *audited, keep).prune()

    def verify(self, kept: Sequence[str] = ()) -> Verification:
        """Whether every audit event, and each checkpoint `kept` elsewhere, is as it was written."""
        reader = StatementReader(AUDIT_CHECKPOINT_TYPE, lambda: self.keyring.keys)
        return verify(self.foundation.database, self.foundation.chain_key, reader.read, kept)


def build_audit(foundation: Foundation, keyring: Keyring) -> AuditParts:
    database, chain_key = foundation.database, foundation.chain_key
    refusals = RefusalAggregator(database, chain_key, foundation.random)
    return AuditParts(
        foundation,
        keyring,
        AuditWriter(database, chain_key, foundation.random, refusals, metrics=foundation.metrics),
        refusals,
        Checkpoints(
            database,
            foundation.clock,
            foundation.settings.url,
            chain_key,
            partial(_signed_checkpoint, foundation, keyring),
        ),
        TokenCounts(database, foundation.clock),
        _build_pusher(foundation),
    )


def _build_pusher(foundation: Foundation) -> Pusher | None:
    """None if audit events are not sent elsewhere."""
    destination = build_destination(foundation.settings)
    if destination is None:
        return None
    parts = (foundation.database, foundation.clock, foundation.random)
    return Pusher(*parts, destination, RENDERERS[foundation.settings.audit_format])


def _signed_checkpoint(
    foundation: Foundation, keyring: Keyring, claims: Mapping[str, object]
) -> str:
    alg = foundation.settings.signing_algorithms[0]
    return keyring.sign(alg, AUDIT_CHECKPOINT_TYPE, claims).token
