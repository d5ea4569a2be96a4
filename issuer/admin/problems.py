"""Problem details (RFC 9457): what every refusal of this door looks like, with a stable `type`."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from issuer.logs import request_id

log = structlog.get_logger(__name__)

PREFIX = "/admin/v1"  # of every path of this API, under the path of the issuer
MEDIA_TYPE = "application/problem+json"
MAX_ERRORS = 100
_MAX_NAME = 128

# The last part of `type`, which names the problem for good; its status and its title.
_PROBLEMS: dict[str, tuple[int, str]] = {
    "malformed-request": (400, "The request cannot be read"),
    "invalid-cursor": (400, "The cursor is not one of this list"),
    "unauthenticated": (401, "There is no valid access token"),
    "forbidden": (403, "The access token does not allow it"),
    "not-found": (404, "There is nothing of that name"),
    "method-not-allowed": (405, "The resource cannot do that"),
    "already-exists": (409, "The name is taken"),
    "not-allowed": (409, "The state of the issuer does not allow it"),
    "in-use": (409, "Others still need it"),
    "precondition-failed": (412, "It was changed by somebody else"),
    "body-too-large": (413, "The body is too large"),
    "unsupported-media-type": (415, "The body must be JSON"),
    "invalid-fields": (422, "Some members are wrong"),
    "server-error": (500, "Something unforeseen happened"),
    "temporarily-unavailable": (503, "The server cannot answer now"),
}
_BY_STATUS = {status: name for name, (status, _) in reversed(_PROBLEMS.items())}


class FieldError(BaseModel):
    """What is wrong with one member of the body or one parameter."""

    field: str
    message: str
    line: int | None = None


class Problem(BaseModel):
    """A problem as it is answered. `more_errors` is how many are not listed in `errors`."""

    type: str
    title: str
    status: int
    detail: str
    request_id: str | None = None
    errors: list[FieldError] | None = None
    more_errors: int | None = None
    used_by: list[str] | None = None


class ProblemRaised(Exception):
    """A refusal this door itself decides on. `reason` is for the log, never sent."""

    def __init__(
        self,
        name: str,
        detail: str,
        headers: Mapping[str, str] | None = None,
        *,
        reason: str | None = None,
        **members: Any,
    ) -> None:
        super().__init__(detail)
        self.name = name
        self.detail = detail
        self.reason = reason or detail
        self.headers = headers
        self.members = members

    @classmethod
    def of_fields(
        cls, errors: Sequence[Mapping[str, str | int]], total: int | None = None
    ) -> "ProblemRaised":
        """Invalid fields: the first of `errors`, and how many more of `total` there are."""
        shown = errors[:MAX_ERRORS]
        more = (len(errors) if total is None else total) - len(shown)
        detail = "; ".join(f"{each['field']}: {each['message']}" for each in shown[:3])
        counted: dict[str, Any] = {"more_errors": more} if more else {}
        return cls("invalid-fields", detail, errors=shown, **counted)


def shortened(text: str) -> str:
    """`text` from a caller, at a length fit for an answer."""
    return text if len(text) <= _MAX_NAME else text[:_MAX_NAME] + "…"


def type_of(name: str) -> str:
    """The `type` of a problem: a name, not an address, so that it is the same everywhere."""
    return f"urn:agentos-issuer:problem:{name}"


# What every operation can answer, and besides what those can that read a body.
_ALWAYS = (
    *("unauthenticated", "forbidden", "invalid-fields"),
    *("server-error", "temporarily-unavailable"),
)
_OF_BODIES = ("malformed-request", "body-too-large", "unsupported-media-type")


_REFERENCE = {"$ref": "#/components/schemas/Problem"}


def documented(*names: str, body: bool = False) -> dict[int | str, dict[str, Any]]:
    """`responses` for OpenAPI: these problems, and those that every operation can have."""
    found: dict[int | str, dict[str, Any]] = {}
    for name in dict.fromkeys((*_ALWAYS, *names, *(_OF_BODIES if body else ()))):
        status, title = _PROBLEMS[name]
        example = {
            "type": type_of(name),
            "title": title,
            "status": status,
            "detail": title + ".",
            "request_id": "4f1c…",
        }
        content = {MEDIA_TYPE: {"schema": _REFERENCE, "examples": {}}}
        described = found.setdefault(status, {"description": title, "content": content})
        described["content"][MEDIA_TYPE]["examples"][name] = {"value": example}
    return found


def problem_schemas() -> dict[str, Any]:
    """`Problem` and its parts, for `components` of the OpenAPI document.

    FastAPI would describe a model as `application/json` as well.
    """
    schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    return {**schema.pop("$defs"), "Problem": schema}


def name_for(status: int) -> str:
    """The problem that says no more than the status, for what the framework refuses."""
    return _BY_STATUS.get(status, "malformed-request")


def answer(request: Request, problem: ProblemRaised) -> Response:
    """The problem as the caller gets it. Refusals of the admin API are logged."""
    status, title = _PROBLEMS[problem.name]
    if is_of_admin_api(request):
        # `issuer.logs` adds client, address, method and path.
        log.info("admin_refused", problem=problem.name, reason=problem.reason)
    body = {
        "type": type_of(problem.name),
        "title": title,
        "status": status,
        "detail": problem.detail,
        "request_id": request_id.get(),
        **problem.members,
    }
    return Response(
        # In ASCII: a caller's unpaired surrogate must not break the answer that refuses it.
        json.dumps(body, ensure_ascii=True),
        status,
        media_type=MEDIA_TYPE,
        headers={"Cache-Control": "no-store", **(problem.headers or {})},
    )


def is_of_admin_api(request: Request) -> bool:
    """Whether the request is for an endpoint of this API, there or not."""
    base = request.app.state.administration.settings.base_path
    return request.url.path.startswith(f"{base}{PREFIX}/")
