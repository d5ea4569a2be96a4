"""Representations: strong entity tags, preconditions (RFC 9110 §13), pages."""

import base64
import binascii
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Header, Query
from pydantic import BaseModel
from starlette.responses import Response

from issuer.admin.problems import ProblemRaised
from issuer.catalogue import NEWEST, lint
from issuer.http.etags import etag_of

Item = TypeVar("Item", bound=BaseModel)

IfMatch = Annotated[
    str | None,
    Header(description="The ETag the resource must still have; otherwise 412."),
]
AllowUnknownScopes = Annotated[
    bool, Query(description="Allow scopes that look like a misspelled known one; otherwise 422.")
]
Limit = Annotated[int, Query(ge=1, le=500, description="The maximum number of items.")]
Cursor = Annotated[
    str | None, Query(max_length=1024, description="`next_cursor` of the previous page.")
]


class Page(BaseModel, Generic[Item]):
    """A page of a list. `next_cursor` is null on the last one."""

    items: list[Item]
    next_cursor: str | None


def etag(model: BaseModel) -> str:
    """The strong ETag of the resource: over its members and its version, which is not shown."""
    return etag_of(f"{getattr(model, 'version', 0)} {model.model_dump_json()}".encode())


def tagged(response: Response, model: Item) -> Item:
    """The resource; its ETag is set in the response."""
    response.headers["ETag"] = etag(model)
    return model


def never_stored(response: Response) -> None:
    """No cache stores a response with a secret (RFC 9111 §5.2.2.5)."""
    response.headers["Cache-Control"] = "no-store"


def require_match(if_match: str | None, model: BaseModel) -> None:
    """412 unless the ETag is that of the current resource (strong comparison)."""
    if if_match is not None:
        require_tag(if_match, etag(model))


def require_tag(if_match: str, tag: str) -> None:
    """412 unless `tag` is named."""
    tags = [each.strip() for each in if_match.split(",")]
    # `*` stands alone (RFC 9110 §13.1.1): in a list it is a mistake, and matches nothing.
    if tags != ["*"] and tag not in tags:
        raise ProblemRaised(
            "precondition-failed", "The resource does not have the ETag in If-Match."
        )


def page(
    kind: str,
    read: Callable[[str | None, int], Sequence[Item]],
    key: Callable[[Item], str],
    cursor: str | None,
    limit: int,
    is_key: Callable[[str], object] = bool,
) -> Page[Item]:
    """One page of `kind`. `read(after, limit)` gives items whose keys follow `after`.

    `is_key` is whether a text can be such a key: a caller may invent a cursor.
    """
    after = _decoded(kind, cursor)
    if after is not None and not is_key(after):
        raise _not_of_this_list()
    items = list(read(after, limit + 1))
    more = len(items) > limit
    items = items[:limit]
    return Page[Any](items=items, next_cursor=_encoded(kind, key(items[-1])) if more else None)


def page_of(
    kind: str,
    items: Sequence[Item],
    key: Callable[[Item], str],
    cursor: str | None,
    limit: int,
) -> Page[Item]:
    """One page of a list in memory, in its order."""
    places = {key(item): place for place, item in enumerate(items)}

    def read(after: str | None, most: int) -> Sequence[Item]:
        start = 0 if after is None else places[after] + 1
        return items[start : start + most]

    return page(kind, read, key, cursor, limit, is_key=places.__contains__)


def _encoded(kind: str, after: str) -> str:
    return base64.urlsafe_b64encode(f"{kind}\n{after}".encode()).decode()


def _decoded(kind: str, cursor: str | None) -> str | None:
    if cursor is None:
        return None
    try:
        of_kind, _, after = base64.b64decode(cursor, b"-_", validate=True).decode().partition("\n")
    except (binascii.Error, ValueError):
        of_kind, after = "", ""
    if of_kind != kind or "\0" in after:
        raise _not_of_this_list()
    return after


def _not_of_this_list() -> ProblemRaised:
    return ProblemRaised("invalid-cursor", "The cursor does not belong to this list.")


class WithWarnings(BaseModel):
    """A resource with warnings; only in responses to changes."""

    warnings: list[str]


def warnings_about(scopes: Iterable[str]) -> list[str]:
    """One sentence for each finding for the newest AgentOS; `/scopes/lint` has the details."""
    return [finding.message for finding in lint(scopes, [NEWEST])]
