"""Bodies: JSON as `application/json`, and merge patches (RFC 7396)."""

import json
from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import Body, Depends, Request, Response
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from issuer.admin.access import access
from issuer.admin.problems import ProblemRaised

_JSON = ("application/json", "application/merge-patch+json")


class StrictJsonRoute(APIRoute):
    """A route whose body is JSON that everybody reads alike (RFC 8259, RFC 7493 §2.3).

    UTF-8, no member twice, no NaN: who checked a request on its way here saw what we see. Nothing
    is read of who has no token.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def strictly(request: Request) -> Response:
            await run_in_threadpool(access, request)
            return await handle(_StrictRequest(request.scope, request.receive))

        return strictly


class _StrictRequest(Request):
    async def json(self) -> Any:
        try:
            text = (await self.body()).decode("utf-8-sig")
        except UnicodeDecodeError:
            raise HTTPException(400, "The body is not UTF-8.") from None
        return json.loads(text, object_pairs_hook=_once_each, parse_constant=_refuse_constant)


def _once_each(members: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in members:
        if name in found:
            raise HTTPException(400, f"The member {name!r} is there twice.")
        found[name] = value
    return found


def _refuse_constant(constant: str) -> Any:
    raise HTTPException(400, f"{constant} is not JSON.")


def _require_json(request: Request) -> None:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in _JSON:
        raise ProblemRaised("unsupported-media-type", f"Send {' or '.join(_JSON)}.")


JsonOnly = Depends(_require_json)

MergePatch = Annotated[
    dict[str, Any],
    Body(
        media_type="application/merge-patch+json",
        description="Members to change (RFC 7396); null gives a member its default.",
    ),
]
