"""`/review`: which rights nobody uses, and what would be enough."""

from datetime import timedelta
from typing import Annotated, Any

from fastapi import Query, Request
from pydantic import BaseModel

from issuer.admin.access import Caller
from issuer.admin.parts import admin_parts
from issuer.admin.problems import documented
from issuer.admin.routes import admin_router, requires
from issuer.audiences import AUDIENCE
from issuer.errors import InvalidField
from issuer.fields.times import duration
from issuer.review.evidence import READS
from issuer.review.proposals import propose
from issuer.review.reviewing import Review, review
from issuer.usage import within_kept

router = admin_router("/review", "review")

_READS = tuple(each.read for each in READS)

UnusedFor = Annotated[
    str, Query(max_length=16, description="For how many days a right was not used, such as `30d`.")
]


class Proposed(BaseModel):
    """What a client or user holds by audience, what is enough, and a manifest that gives that.

    `manifest` undoes what was changed of it later: apply it where its plan has the same
    `change_count`. `note`: what the reports of verifiers cannot tell.
    """

    change_count: int
    held: dict[str, list[str]]
    enough: dict[str, list[str]]
    manifest: dict[str, Any]
    note: str


@router.get("")
@requires(_READS)
async def read_review(request: Request, caller: Caller, unused_for: UnusedFor = "30d") -> Review:
    """List rights that nobody used, clients, secrets and users likewise, and refusals.

    Nothing is said about audiences of which the reports of verifiers are incomplete. 503 with
    `Retry-After` while two others are in progress.
    """
    return await admin_parts(request).plans.run(_review, caller, _period(unused_for))


@router.get("/{id}", responses=documented("not-allowed"))
@requires(_READS)
def read_proposal(id: str, caller: Caller, unused_for: UnusedFor = "30d") -> Proposed:
    """Read the smallest rights that cover what a client or user used in 90 days.

    Nothing is changed. `manifest` is for `/manifest/plan`.
    """
    with caller.reading(AUDIENCE.read) as work:
        made = propose(work, id, caller.administration.clock(), _period(unused_for))
    return Proposed(**made.as_json())


def _review(caller: Caller, unused_for: timedelta) -> Review:
    with caller.reading(AUDIENCE.read) as work:
        return review(work, caller.administration.clock(), unused_for)


def _period(text: str) -> timedelta:
    try:
        return within_kept(duration(text))
    except ValueError as error:
        raise InvalidField("unused_for", str(error)) from None
