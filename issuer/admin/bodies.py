"""Bodies: JSON as `application/json`, and merge patches (RFC 7396)."""

import json
from typing import Annotated, Any

from fastapi import Body, Request
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from issuer.admin.problems import ProblemRaised, shortened

_JSON = ("application/json", "application/merge-patch+json")
# Twice what the largest resource can have. Each costs much more in memory than in the body.
MAX_VALUES = 10_000


class StrictJsonRequest(Request):
    """A request whose JSON every reader understands alike (RFC 8259, RFC 7493 §2.3).

    UTF-8, no repeated member, no NaN: a proxy that checked the request saw what we see.
    """

    async def json(self) -> Any:
        return await run_in_threadpool(_strict_json, await self.body())


def _strict_json(body: bytes) -> Any:
    # Counted before anything is parsed. A separator inside a text counts, too: that is no harm,
    # since no member of ours may be that long.
    if sum(body.count(separator) for separator in (b",", b"[", b"{")) > MAX_VALUES:
        raise HTTPException(413, f"A body may hold {MAX_VALUES} values.")
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise HTTPException(400, "The body is not UTF-8.") from None
    return json.loads(text, object_pairs_hook=_once_each, parse_constant=_refuse_constant)


def _once_each(members: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in members:
        if name in found:
            raise HTTPException(400, f"The member {shortened(name)!r} is repeated.")
        found[name] = value
    return found


def _refuse_constant(constant: str) -> Any:
    raise HTTPException(400, f"{constant} is not JSON.")


def require_json(request: Request) -> None:
    """415 unless the request says that its body is JSON."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in _JSON:
        raise ProblemRaised("unsupported-media-type", f"Send {' or '.join(_JSON)}.")


MergePatch = Annotated[
    dict[str, Any],
    Body(
        media_type="application/merge-patch+json",
        description="Members to change (RFC 7396); null gives a member its default.",
    ),
]
