"""From exceptions of the domain and the framework to problem details."""

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Scope

from issuer import errors, manifest
from issuer.admin.parts import admin_parts
from issuer.admin.problems import (
    BY_STATUS,
    MAX_ERRORS,
    ProblemRaised,
    answer,
    counted,
    is_of_admin_api,
    shortened,
)
from issuer.authority import NotKept
from issuer.authority.credentials import MembersNotKept
from issuer.fields.fields import in_words
from issuer.http.middleware import server_error
from issuer.manifest.problems import spell
from issuer.scopes import InvalidScope, ScopeNotCovered

_NOT_FOUND = 404


def install_problem_handlers(
    app: FastAPI, not_found_page: Callable[[Request], Response | None]
) -> None:
    """Answer exceptions with problems; outside this API, a wrong address with `not_found_page`."""

    @app.exception_handler(ProblemRaised)
    async def raised(request: Request, error: ProblemRaised) -> Response:
        return answer(request, error)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        return answer(request, _invalid(error))

    @app.exception_handler(HTTPException)
    async def framework(request: Request, error: HTTPException) -> Response:
        is_wrong_address = error.status_code == _NOT_FOUND and not is_of_admin_api(request)
        if is_wrong_address and (page := not_found_page(request)) is not None:
            return page
        headers = {**(error.headers or {}), **_allowed(request, error)}
        name = BY_STATUS.get(error.status_code, "malformed-request")
        return answer(request, ProblemRaised(name, str(error.detail), headers))

    @app.exception_handler(errors.IssuerError)
    async def domain(request: Request, error: errors.IssuerError) -> Response:
        return answer(request, problem_of(error))


def unforeseen(scope: Scope) -> Response:
    """The response to an unexpected exception, for every endpoint of the server."""
    request = Request(scope)
    if not is_of_admin_api(request):
        return server_error(scope)
    return answer(
        request, ProblemRaised("server-error", "Unexpected error. The server log has the cause.")
    )


def _allowed(request: Request, error: HTTPException) -> dict[str, str]:
    """Every method of the resource: the framework names only those of the first route."""
    if error.status_code != 405:  # noqa: PLR2004
        return {}
    routes = admin_parts(request).administration.explainer.own_api.routes()
    path = request.scope["path"]
    methods = sorted({each for route in routes if route.is_at(path) for each in route.methods})
    return {"Allow": ", ".join(methods)} if methods else {}


def problem_of(error: errors.IssuerError) -> ProblemRaised:  # noqa: PLR0911 - one for each error
    """The problem for an error of the domain."""
    headers = None
    if isinstance(error, errors.PassingError):
        headers = {"Retry-After": str(error.retry_after)}
    match error:
        case errors.NotFound():
            return ProblemRaised("not-found", str(error), **_named(error))
        case errors.AlreadyExists():
            return ProblemRaised("already-exists", str(error))
        case errors.InUse():
            return ProblemRaised("in-use", str(error), used_by=error.users_of_it)
        case errors.InvalidField():
            return _of_fields(error)
        case manifest.InvalidManifest():
            shown: list[dict[str, Any]] = [
                {
                    "field": spell(each.path) or "body",
                    "message": each.message,
                    "line": each.line,
                }
                for each in error.problems[:MAX_ERRORS]
            ]
            return ProblemRaised.of_fields(shown, error.total)
        case errors.Forbidden():  # RFC 6750 §3
            which = f', scope="{error.scope}"' if error.scope else ""
            challenge = f'Bearer realm="issuer", error="insufficient_scope"{which}'
            return ProblemRaised("forbidden", str(error), {"WWW-Authenticate": challenge})
        case NotKept():
            what = "members" if isinstance(error, MembersNotKept) else "credentials"
            given = error.as_members()
            members = {what: given[:MAX_ERRORS], **counted(len(given) - MAX_ERRORS)}
            return ProblemRaised(f"{what}-not-kept", str(error), **members)
        case errors.NotAllowed():
            return ProblemRaised("not-allowed", str(error), headers)
        case ScopeNotCovered() | InvalidScope():
            return ProblemRaised.of_fields([_field("scope", str(error))])
        case errors.TooManyRequests():
            detail = f"Too many requests. Try again in {error.retry_after} seconds."
            return ProblemRaised("too-many-requests", detail, headers, reason=str(error))
        case errors.Unavailable():
            detail = "The server cannot answer now."
            return ProblemRaised("temporarily-unavailable", detail, headers, reason=str(error))
    raise error


def _of_fields(error: errors.InvalidField) -> ProblemRaised:
    fields = error.problems
    problem = ProblemRaised.of_fields([_field(*each) for each in fields[:MAX_ERRORS]], len(fields))
    if isinstance(error, errors.UnknownReference):
        problem.members |= _named(error)
    return problem


def _named(error: errors.NotFound | errors.UnknownReference) -> dict[str, Any]:
    return {"missing": {"kind": error.kind, "name": shortened(error.name)}}


def _field(field: str, message: str) -> dict[str, str | int]:
    return {"field": shortened(field), "message": message}


def _invalid(error: RequestValidationError) -> ProblemRaised:
    invalid = error.errors()
    if any(each["type"] == "json_invalid" for each in invalid):
        return ProblemRaised("malformed-request", "The body is not JSON.")
    shown = [
        # The first part is body, path or query, which the caller knows.
        _field(".".join(str(part) for part in each["loc"][1:]) or "body", in_words(each["msg"]))
        for each in invalid[:MAX_ERRORS]
    ]
    return ProblemRaised.of_fields(shown, len(invalid))
