"""The report of a verifier: how often scopes were sufficient or lacking, within a minute or so."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from issuer.fields.fields import Fields
from issuer.fields.times import Instant

MOST_COUNTS = 1_000
_MOST_REQUESTS = 1_000_000_000

Subject = Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[!-~]+$")]
Requests = Annotated[int, Field(ge=0, le=_MOST_REQUESTS)]


class Window(Fields):
    """When the requests were. A report with an `id` that was counted before counts for nothing."""

    id: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{16,64}$")]
    start: Instant
    end: Instant

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.start > self.end:
            raise ValueError("start must not be after end")
        return self


class Outcomes(Fields):
    """For how many requests a scope was sufficient, and for how many it was lacking."""

    allowed: Requests = 0
    refused: Requests = 0


class ScopeCount(Outcomes):
    """The requests of one subject through one client that needed this scope."""

    sub: Subject
    client_id: Subject
    scope: Subject


class UsageReport(Fields):
    """What a verifier counted for its audience. `others`: what exceeded its bounds."""

    window: Window
    audience: Annotated[str, Field(max_length=255)]
    counts: Annotated[list[ScopeCount], Field(max_length=MOST_COUNTS)]
    others: Outcomes = Outcomes()
