"""The access review as a table for spreadsheets."""

from collections.abc import Iterable, Iterator

from issuer.review.evidence import ReviewedScope

COLUMNS = (
    "kind",
    "id",
    "name",
    "audience",
    "scope",
    "through",
    "given_at",
    "given_by",
    "expires_at",
    "last_used",
    "requests",
    "verdict",
)


def as_rows(reviewed: Iterable[ReviewedScope]) -> Iterator[dict[str, object]]:
    """The values of the columns, for each."""
    return ({**dict(each), **dict(each.principal)} for each in reviewed)
