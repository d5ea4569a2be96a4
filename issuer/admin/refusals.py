"""From what the rooms and the framework raise to the problem that the caller gets."""

from collections.abc import Mapping, Sequence

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from issuer import errors, manifest
from issuer.admin.problems import ProblemRaised, answer, name_for
from issuer.catalogue import methods_at
from issuer.scopes import InvalidScope, ScopeNotCovered


def install_problem_handlers(app: FastAPI) -> None:
    """Turn what the rooms and the framework raise into problems."""

    @app.exception_handler(ProblemRaised)
    async def raised(_: Request, error: ProblemRaised) -> Response:
        return answer(error.name, error.detail, error.headers, **error.members)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        return _invalid(error)

    @app.exception_handler(HTTPException)
    async def framework(request: Request, error: HTTPException) -> Response:
        headers = {**(error.headers or {}), **_allowed(request, error)}
        return answer(name_for(error.status_code), str(error.detail), headers)

    @app.exception_handler(errors.IssuerError)
    async def room(_: Request, error: errors.IssuerError) -> Response:
        return _of_room(error)


def _allowed(request: Request, error: HTTPException) -> dict[str, str]:
    """Every method of the resource: the framework knows of the first route there alone."""
    if error.status_code != 405:  # noqa: PLR2004
        return {}
    settings = request.app.state.services.settings
    methods = methods_at(
        request.scope["path"], settings.base_path, has_metrics=settings.metrics_token is not None
    )
    return {"Allow": ", ".join(methods)} if methods else {}


def _of_room(error: errors.IssuerError) -> Response:  # noqa: PLR0911 - one for each error
    match error:
        case errors.NotFound():
            return answer("not-found", str(error))
        case errors.AlreadyExists():
            return answer("already-exists", str(error))
        case errors.InUse():
            return answer("in-use", str(error), used_by=error.users_of_it)
        case errors.InvalidField():
            return _fields([{"field": error.field, "message": error.message}])
        case manifest.InvalidManifest():
            return _fields([_in_manifest(each) for each in error.problems])
        case errors.Forbidden():
            return answer("forbidden", str(error), _insufficient(error.scope))
        case errors.NotYet():
            return answer("not-allowed", str(error), {"Retry-After": str(error.retry_after)})
        case errors.NotAllowed():
            return answer("not-allowed", str(error))
        case ScopeNotCovered() | InvalidScope():
            return _fields([{"field": "scope", "message": str(error)}])
        case errors.Unavailable():
            return answer(
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
        return answer("malformed-request", "The body is not JSON.")
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
    return answer("invalid-fields", detail, errors=found)
