"""Bodies and representations: JSON, merge patches (RFC 7396), entity tags (RFC 9110 §13), pages."""

import base64
import binascii
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Body, Header, Query, Request
from pydantic import BaseModel, Field
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import Response

from issuer.admin.problems import ProblemRaised
from issuer.catalogue import NEWEST, lint
from issuer.composition import Access
from issuer.fields.fields import Fields
from issuer.fields.json import AmbiguousJson, strict_json
from issuer.http.etags import etag_of
from issuer.operations import OperationQuestion

_JSON = ("application/json", "application/merge-patch+json")
_PARSED_AT_ONCE = 16 * 1024  # by the event loop, which a thread keeps waiting longer
# Twice the maximum of a resource. A parsed value takes much more memory than in the body.
MAX_VALUES = 10_000
_OF_DRY_RUN = "-dry-run"  # ends ETags
KeepCredentials = Annotated[
    list[Annotated[str, Field(max_length=255)]],
    Field(
        max_length=1_000,
        description="Ids of credentials that somebody without `issuer:admin` gave, which clients"
        " keep although they begin to hold rights at the issuer. The answer 409 lists them.",
    ),
]
KeepMembers = Annotated[
    list[Annotated[str, Field(max_length=255)]],
    Field(
        max_length=1_000,
        description="Ids of users whom somebody without `issuer:admin` put into a group, who stay"
        " in it although it begins to hold rights at the issuer. The answer 409 lists them.",
    ),
]
MergePatch = Annotated[
    dict[str, Any],
    Body(
        media_type="application/merge-patch+json",
        description="Members to change (RFC 7396); null resets a member to its default.",
    ),
]
Item = TypeVar("Item", bound=BaseModel)
IfMatch = Annotated[
    str | None,
    Header(description="The ETag the resource must still have; otherwise 412."),
]
AllowUnknownScopes = Annotated[
    bool, Query(description="Allow scopes that look like a misspelled known one; otherwise 422.")
]
Search = Annotated[
    str | None,
    Query(
        max_length=100,
        pattern=r"^[^\x00]*$",
        description="Only those with this text in an id or a name, in order of name; all for an"
        " empty text.",
    ),
]
Limit = Annotated[int, Query(ge=1, le=500, description="The maximum number of items.")]
Cursor = Annotated[
    str | None, Query(max_length=1024, description="`next_cursor` of the previous page.")
]


class StrictJsonRequest(Request):
    """A request whose JSON every parser and proxy reads alike (RFC 8259, RFC 7493 §2.3)."""

    async def json(self) -> Any:
        body = await self.body()
        if len(body) <= _PARSED_AT_ONCE:
            return parsed_json(body)
        return await run_in_threadpool(parsed_json, body)


def parsed_json(body: bytes, max_values: int = MAX_VALUES) -> Any:
    """The value of a body; 413 for too many values, 400 for what parsers may read differently.

    `ValueError` if it is no JSON.
    """
    # Counted before parsing. Separators inside strings count too, which does no harm: no string
    # of a resource may be that long.
    if sum(body.count(separator) for separator in (b",", b"[", b"{")) > max_values:
        raise HTTPException(413, f"The body has more than {max_values} values.")
    try:
        return strict_json(body)
    except UnicodeDecodeError:
        raise HTTPException(400, "The body is not UTF-8.") from None
    except AmbiguousJson as error:
        raise HTTPException(400, str(error)) from None


def require_json(request: Request) -> None:
    """415 unless the media type of the body is JSON."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in _JSON:
        raise ProblemRaised("unsupported-media-type", f"Send {' or '.join(_JSON)}.")


class Kept(Fields):
    """What others gave to clients and groups that begin to hold rights at the issuer."""

    keep_credentials: KeepCredentials = []
    keep_members: KeepMembers = []

    @classmethod
    def taken_from(cls, patch: dict[str, Any]) -> "Kept":
        """The members of a merge patch that are none of the resource; `InvalidField`."""
        given = {name: patch.pop(name, None) for name in Kept.model_fields}
        return cls.read({name: each for name, each in given.items() if each is not None})


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


def require_match(if_match: str | None, model: BaseModel | None) -> None:
    """412 unless the ETag is that of the current resource (strong comparison), if there is one."""
    if if_match is not None:
        require_tag(if_match, etag(model) if model else None)


class Tried(BaseModel):
    """The answer to a dry run of an operation that answers nothing.

    `question` is what people are asked before; null where nothing is asked.
    """

    question: OperationQuestion | None


Done = Response | None
"""What operations without an answer return: a response to a dry run only."""


def is_of_dry_run(if_match: str | None) -> bool:
    """Whether `If-Match` has the ETag of a dry run."""
    return if_match is not None and _OF_DRY_RUN in if_match


def require_unchanged(if_match: str | None, model: BaseModel | None) -> None:
    """412 as by `require_match`; the ETag of a dry run is left to `done`, which must follow."""
    if not is_of_dry_run(if_match):
        require_match(if_match, model)


def done(
    caller: Access,
    if_match: str | None,
    model: BaseModel | None,
    question: OperationQuestion | None = None,
) -> Done:
    """The end of an operation within its transaction: the answer to a dry run, else None.

    412 if `if_match` is of a dry run with another question, or of another state of the resource.
    """
    state = f"{etag(model) if model else ''} {question.subject if question else ''}"
    tag = f'{etag_of(state.encode())[:-1]}{_OF_DRY_RUN}"'
    if if_match is not None and is_of_dry_run(if_match):
        require_tag(if_match, tag)
    if not caller.dry_run:
        return None
    body = Tried(question=question).model_dump_json()
    return Response(body, media_type=_JSON[0], headers={"ETag": tag})


def require_tag(if_match: str, tag: str | None) -> None:
    """412 unless `tag` is named. Without one there is no resource, which `*` requires as well."""
    tags = [each.strip() for each in if_match.split(",")]
    # `*` stands alone (RFC 9110 §13.1.1): in a list it is a mistake, and matches nothing.
    if tag is None or (tags != ["*"] and tag not in tags):
        raise ProblemRaised(
            "precondition-failed", "The resource does not have the ETag in If-Match."
        )


def cursor_after(kind: str, key: str | None) -> str | None:
    """The cursor of what follows `key` in the list of `kind`; None if nothing does."""
    return None if key is None else base64.urlsafe_b64encode(f"{kind}\n{key}".encode()).decode()


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
    after = key_before(kind, cursor)
    if after is not None and not is_key(after):
        raise _not_of_this_list()
    items = list(read(after, limit + 1))
    more = len(items) > limit
    items = items[:limit]
    return Page[Any](items=items, next_cursor=cursor_after(kind, key(items[-1]) if more else None))


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


def key_before(kind: str, cursor: str | None) -> str | None:
    """The key before the page of a cursor; `invalid-cursor` for that of another list."""
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
