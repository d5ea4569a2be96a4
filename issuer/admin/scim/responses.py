"""Responses with a resource, and error documents (RFC 7644 §3.12) for expected errors."""

import json
import sys
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from issuer.admin.problems import ProblemRaised, status_of
from issuer.admin.refusals import problem_of
from issuer.errors import IssuerError
from issuer.telemetry.logs import get_logger

log = get_logger(__name__)

MEDIA_TYPE = "application/scim+json"
_SCHEMA = "urn:ietf:params:scim:api:messages:2.0:Error"
_BAD_REQUEST = 400
# The status and the `scimType` where they are not those of the admin API.
_OF_PROBLEMS = {
    "malformed-request": (_BAD_REQUEST, "invalidSyntax"),
    "invalid-fields": (_BAD_REQUEST, "invalidValue"),
    "already-exists": (409, "uniqueness"),
}


def json_response(
    body: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """The response with a resource or a message of SCIM."""
    return Response(
        # In ASCII: an unpaired surrogate from the caller must not break the response.
        json.dumps(body),
        status,
        media_type=MEDIA_TYPE,
        headers={"Cache-Control": "no-store", **(headers or {})},
    )


def refusal(
    status: int, detail: str, scim_type: str | None = None, headers: Mapping[str, str] | None = None
) -> Response:
    """The response with an error document."""
    body = {"schemas": [_SCHEMA], "status": str(status), "detail": detail}
    if scim_type:
        body["scimType"] = scim_type
    return json_response(body, status, headers)


def refusal_of(error: Exception) -> Response | None:
    """The response to an error of the domain, the framework or the library, which is logged.

    None for any other.
    """
    if isinstance(error, IssuerError):
        error = problem_of(error)
    if isinstance(error, ProblemRaised):
        # `issuer.telemetry.logs` adds client, address, method and path.
        log.info("scim_refused", problem=error.name, reason=error.reason)
        status, scim_type = _OF_PROBLEMS.get(error.name, (status_of(error.name), None))
        return refusal(status, error.detail, scim_type, error.headers)
    if isinstance(error, HTTPException):
        log.info("scim_refused", reason=str(error.detail))
        scim_type = "invalidSyntax" if error.status_code == _BAD_REQUEST else None
        return refusal(error.status_code, str(error.detail), scim_type, error.headers)
    if "scim2_models" not in sys.modules:
        return None  # it has raised nothing
    return _of_library(error)


def _of_library(error: Exception) -> Response | None:
    from scim2_models import Error, SCIMException  # noqa: PLC0415 - 5.6 MB

    match error:
        case ValidationError():
            found = Error.from_validation_errors(error)[0]
        case SCIMException(__cause__=ValidationError() as cause):
            found = Error.from_validation_errors(cause)[0]
        case SCIMException():
            found = error.to_error()
        case RecursionError():
            found = Error(
                status=_BAD_REQUEST, scim_type="invalidSyntax", detail="Nested too deeply."
            )
        case _:
            return None
    log.info("scim_refused", problem=found.scim_type, reason=found.detail)
    return refusal(found.status or _BAD_REQUEST, found.detail or "", found.scim_type)
