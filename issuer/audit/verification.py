"""Verifying the audit log: which is the first row that is not as it was written?"""

from collections.abc import Sequence
from datetime import datetime

from pydantic import BaseModel

from issuer.audit import store
from issuer.audit.anchors import Anchors, AuditFinding, Broken, Read, anchored
from issuer.audit.chain import ChainKey
from issuer.audit.walk import Walk
from issuer.database import Database


class Verification(BaseModel):
    """The result: ok, or the first row that is not as it was written.

    `since` is where the audit log begins, if retention deleted older events. No checkpoint covers
    the newest `unanchored` rows, those after `anchored_until`, yet: cutting them off would not be
    detected.
    """

    ok: bool
    finding: AuditFinding | None
    rows: int
    chains: int
    unanchored: int
    checkpoints: int
    since: datetime | None
    anchored_until: datetime | None


def verify(database: Database, key: ChainKey, read: Read, kept: Sequence[str] = ()) -> Verification:
    """Verify every row and every checkpoint, and that those `kept` elsewhere are among them.

    `read` gives the claims of a checkpoint that this issuer signed, or None. Memory grows with
    the number of checkpoints and of chains, not with that of rows.
    """
    anchors = Anchors()
    walk = Walk(key, anchors)
    with database.reading() as session:
        try:
            anchors = anchored(store.checkpoints(session), key, read, kept)
            walk = Walk(key, anchors)
            walk.follow(store.as_stored(session))
            finding = anchors.missing
        except Broken as broken:
            finding = broken.finding
    return _summary(anchors, walk, finding)


def _summary(anchors: Anchors, walk: Walk, finding: AuditFinding | None) -> Verification:
    return Verification(
        ok=finding is None,
        finding=finding,
        rows=walk.rows,
        chains=len(walk.ends),
        unanchored=walk.unanchored,
        checkpoints=anchors.checkpoints,
        since=anchors.since,
        anchored_until=anchors.until,
    )
