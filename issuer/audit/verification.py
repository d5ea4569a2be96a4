"""Verifying the record: what is the first thing that is not as it was written?"""

from collections.abc import Sequence
from datetime import datetime

from pydantic import BaseModel

from issuer.audit import store
from issuer.audit.anchors import Anchors, Broken, Finding, Read, anchored
from issuer.audit.chain import ChainKey
from issuer.audit.walk import Walk
from issuer.database import Database


class Verification(BaseModel):
    """What was found: nothing, or the first row that is not as it was written.

    `since` is where the record begins, if its beginning was deleted. The newest `unanchored` rows,
    those after `anchored_until`, are under no checkpoint yet: if the end were cut off there, nobody
    could tell. `unchained` rows are older than the chains; the first checkpoint covers them.
    """

    ok: bool
    finding: Finding | None
    rows: int
    chains: int
    unchained: int
    unanchored: int
    checkpoints: int
    since: datetime | None
    anchored_until: datetime | None


def verify(database: Database, key: ChainKey, read: Read, kept: Sequence[str] = ()) -> Verification:
    """Verify every row and every checkpoint, and that those `kept` elsewhere are among them.

    `read` gives the claims of a checkpoint that we signed, or None. What is in memory grows with
    the number of checkpoints and of chains, never with that of rows.
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


def _summary(anchors: Anchors, walk: Walk, finding: Finding | None) -> Verification:
    return Verification(
        ok=finding is None,
        finding=finding,
        rows=walk.rows,
        chains=len(walk.ends),
        unchained=walk.unchained,
        unanchored=walk.unanchored,
        checkpoints=anchors.checkpoints,
        since=anchors.since,
        anchored_until=anchors.until,
    )
