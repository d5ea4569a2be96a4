"""What a review finds."""

from datetime import date, datetime
from enum import StrEnum

from pydantic import BaseModel


class FindingKind(StrEnum):
    """Kinds of findings, in the order in which they are listed."""

    UNUSED = "unused"
    PARTLY_USED = "partly used"
    RARELY_USED = "rarely used"
    ROLE_WITHOUT_HOLDERS = "role without holders"
    UNUSED_ROLE = "unused role"
    UNUSED_CLIENT = "unused client"
    UNUSED_SECRET = "unused secret"  # noqa: S105
    NEVER_SIGNED_IN = "never signed in"
    NOT_SIGNED_IN = "not signed in"
    REFUSED = "refused"


class Principal(BaseModel, frozen=True):
    """A client or a user. The name of a user is the user name."""

    kind: str
    id: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name or self.id}"


class ReviewFinding(BaseModel, frozen=True):
    """One finding, with its evidence.

    `last_used`: the day of the last use within 90 days, or when a secret was used or a person
    signed in. `days`: on how many days it was used; `requests`: how many there were.
    """

    kind: FindingKind
    sentence: str
    principal: Principal | None = None
    audience: str | None = None
    scope: str | None = None
    through: str | None = None
    last_used: datetime | None = None
    days: int = 0
    requests: int = 0


class ReportCoverage(BaseModel, frozen=True):
    """Whether the reports about an audience tell what was not used: nothing else is unknown.

    `is_known`: since the beginning of the review, reports came on every day, and named everything.
    """

    audience: str
    is_known: bool
    reason: str
    first_report: date | None
    last_report: date | None
