"""The audit log: writing, anchoring, verifying and pruning it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from issuer.audit import (
    AuditWriter,
    ChainKey,
    Checkpoints,
    GatheredRefusals,
    Retention,
    Verification,
    keep_chains,
    verify,
)
from issuer.composition.foundation import Foundation
from issuer.keys import Keyring
from issuer.keys.sealed_secrets_store import AUDIT_CHAINS, derived
from issuer.keys.statements import StatementReader
from issuer.vocabulary import AUDIT_CHECKPOINT_TYPE


@dataclass(frozen=True)
class AuditParts:
    foundation: Foundation
    keyring: Keyring
    chain_key: ChainKey
    writer: AuditWriter
    refusals: GatheredRefusals
    checkpoints: Checkpoints

    def make_checkpoint(self) -> None:
        """Make a checkpoint, unless another process has just made one."""
        every = self.foundation.settings.audit_checkpoint_every
        self.checkpoints.make(self.foundation.clock() - every / 2)

    def prune(self) -> None:
        """Delete the audit events that are older than `ISSUER_AUDIT_KEEP`."""
        if (keep := self.foundation.settings.audit_keep) is not None:
            parts = (self.foundation.database, self.foundation.clock, self.chain_key)
            Retention(*parts, self.checkpoints, keep).prune()

    def verify(self, kept: Sequence[str] = ()) -> Verification:
        """Whether every audit event, and each checkpoint `kept` elsewhere, is as it was written."""
        reader = StatementReader(AUDIT_CHECKPOINT_TYPE, lambda: self.keyring.keys)
        return verify(self.foundation.database, self.chain_key, reader.read, kept)


def build_audit(foundation: Foundation, keyring: Keyring) -> AuditParts:
    database = foundation.database
    chain_key = ChainKey(derived(foundation.hmac_key, AUDIT_CHAINS))
    keep_chains(database, chain_key)
    refusals = GatheredRefusals(database, foundation.random)
    return AuditParts(
        foundation,
        keyring,
        chain_key,
        AuditWriter(database, foundation.random, refusals),
        refusals,
        Checkpoints(
            database,
            foundation.clock,
            foundation.settings.url,
            chain_key,
            partial(_signed_checkpoint, foundation, keyring),
        ),
    )


def _signed_checkpoint(
    foundation: Foundation, keyring: Keyring, claims: Mapping[str, object]
) -> str:
    alg = foundation.settings.signing_algorithms[0]
    return keyring.sign(alg, AUDIT_CHECKPOINT_TYPE, claims).token
