"""Problem details (RFC 9457): every refusal of this door, with a stable `type`."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import Response

from issuer import errors, manifest
from issuer.logs import request_id
from issuer.scopes import InvalidScope, ScopeNotCovered

MEDIA_TYPE = "application/problem+json"

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
    """A problem as it is answered."""

    type: str
    title: str
    status: int
    detail: str
    request_id: str | None = None
    errors: list[FieldError] | None = None
    used_by: list[str] | None = None


class ProblemRaised(Exception):
    """A refusal this door itself decides on."""

    def __init__(
        self, name: str, detail: str, headers: Mapping[str, str] | None = None, **members: Any
    ) -> None:
        super().__init__(detail)
        self.name = name
        self.detail = detail
        self.headers = headers
        self.members = members


def type_of(name: str) -> str:
    """The `type` of a problem: a name, not an address, so that it is the same everywhere."""
    return f"urn:agentos-issuer:problem:{name}"


# What every operation can answer, and besides what those can that read a body.
_ALWAYS = (
    *("unauthenticated", "forbidden", "invalid-fields"),
    *("server-error", "temporarily-unavailable"),
)
_OF_BODIES = ("malformed-request", "body-too-large", "unsupported-media-type")


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
        content = found.setdefault(status, {"model": Problem, "description": title, "content": {}})
        content["content"].setdefault(MEDIA_TYPE, {"examples": {}})["examples"][name] = {
            "value": example
        }
    return found


def install_problem_handlers(app: FastAPI) -> None:
    """Turn what the rooms and the framework raise into problems."""

    @app.exception_handler(ProblemRaised)
    async def raised(_: Request, error: ProblemRaised) -> Response:
        return _answer(error.name, error.detail, error.headers, **error.members)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        return _invalid(error)

    @app.exception_handler(HTTPException)
    async def framework(_: Request, error: HTTPException) -> Response:
        name = _BY_STATUS.get(error.status_code, "malformed-request")
        return _answer(name, str(error.detail), error.headers)

    @app.exception_handler(errors.IssuerError)
    async def room(_: Request, error: errors.IssuerError) -> Response:
        return _of_room(error)


def _of_room(error: errors.IssuerError) -> Response:  # noqa: PLR0911 - one for each error
    match error:
        case errors.NotFound():
            return _answer("not-found", str(error))
        case errors.AlreadyExists():
            return _answer("already-exists", str(error))
        case errors.InUse():
            return _answer("in-use", str(error), used_by=error.users_of_it)
        case errors.InvalidField():
            return _fields([{"field": error.field, "message": error.message}])
        case manifest.InvalidManifest():
            return _fields([_in_manifest(each) for each in error.problems])
        case errors.Forbidden():
            return _answer("forbidden", str(error), _insufficient(error.scope))
        case errors.NotYet():
            return _answer("not-allowed", str(error), {"Retry-After": str(error.retry_after)})
        case errors.NotAllowed():
            return _answer("not-allowed", str(error))
        case ScopeNotCovered() | InvalidScope():
            return _fields([{"field": "scope", "message": str(error)}])
        case errors.Unavailable():
            return _answer(
                "temporarily-unavailable",
                "The server cannot answer now.",
                {"Retry-After": str(error.retry_after)},
            )
    raise error


def _in_manifest(wrong: manifest.Problem) -> dict[str, str | int]:
    field = manifest.spelled(wrong.path) or "body"
    return {"field": field, "message": wrong.message, "line": wrong.line}


def _insufficient(scope: str) -> dict[str, str]:
    """RFC 6750 §3."""
    challenge = f'Bearer realm="issuer", error="insufficient_scope", scope="{scope}"'
    return {"WWW-Authenticate": challenge}


def _invalid(error: RequestValidationError) -> Response:
    found = error.errors()
    if any(each["type"] == "json_invalid" for each in found):
        return _answer("malformed-request", "The body is not JSON.")
    return _fields(
        [
            {
                # The first part says body, path or query, which the caller knows.
                "field": ".".join(str(part) for part in each["loc"][1:]) or "body",
                "message": each["msg"].removeprefix("Value error, "),
            }
            for each in found
        ]
    )


def _fields(found: Sequence[Mapping[str, str | int]]) -> Response:
    detail = "; ".join(f"{each['field']}: {each['message']}" for each in found[:3])
    return _answer("invalid-fields", detail, errors=found)


def _answer(
    name: str, detail: str, headers: Mapping[str, str] | None = None, **members: Any
) -> Response:
    status, title = _PROBLEMS[name]
    structlog.get_logger(__name__).info("admin_refused", problem=name, reason=detail)
    body = {
        "type": type_of(name),
        "title": title,
        "status": status,
        "detail": detail,
        "request_id": request_id.get(),
        **members,
    }
    return Response(
        # In ASCII: a caller's unpaired surrogate must not break the answer that refuses it.
        json.dumps(body, ensure_ascii=True),
        status,
        media_type=MEDIA_TYPE,
        headers={"Cache-Control": "no-store", **(headers or {})},
    )
