"""Problem details (RFC 9457): the form of every refusal of the admin API, with a stable `type`."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from issuer.admin.parts import admin_parts
from issuer.telemetry.logs import get_logger, request_id
from issuer.vocabulary import ADMIN_API

log = get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
MAX_ERRORS = 100
_MAX_NAME = 128

# The last part of `type`, which never changes; the status and the title.
_PROBLEMS: dict[str, tuple[int, str]] = {
    "malformed-request": (400, "Malformed request"),
    "invalid-cursor": (400, "Invalid cursor"),
    "unauthenticated": (401, "Missing or invalid access token"),
    "forbidden": (403, "Insufficient scope"),
    "not-found": (404, "Not found"),
    "method-not-allowed": (405, "Method not allowed"),
    "already-exists": (409, "Already exists"),
    "not-allowed": (409, "Not allowed in the current state"),
    "credentials-not-kept": (409, "Credentials that others gave"),
    "members-not-kept": (409, "Members whom others added"),
    "in-use": (409, "Still in use"),
    "precondition-failed": (412, "Precondition failed"),
    "body-too-large": (413, "Body too large"),
    "unsupported-media-type": (415, "Unsupported media type"),
    "invalid-fields": (422, "Invalid fields"),
    "too-many-requests": (429, "Too many requests"),
    "server-error": (500, "Internal server error"),
    "temporarily-unavailable": (503, "Temporarily unavailable"),
}
BY_STATUS = {status: name for name, (status, _) in reversed(_PROBLEMS.items())}


class FieldError(BaseModel):
    """The error in one member of the body or one parameter."""

    field: str
    message: str
    line: int | None = None


class CredentialToKeep(BaseModel):
    """A credential that somebody without `issuer:admin` gave; `given_by` is null if unknown."""

    kind: str
    id: str
    name: str
    client_id: str
    given_by: str | None


class MemberToKeep(BaseModel):
    """A user whom somebody without `issuer:admin` put into a group; null if it is not known who."""

    group_id: str
    group: str
    user_id: str
    username: str
    given_by: str | None


class MissingResource(BaseModel):
    """A resource that does not exist."""

    kind: str
    name: str


class Problem(BaseModel):
    """Problem details. `more_errors` is the number of those not listed in `errors`,
    `credentials` or `members`.

    `credentials` can be confirmed in `keep_credentials`, `members` by `user_id` in `keep_members`.
    `missing` is the resource that does not exist.
    """

    type: str
    title: str
    status: int
    detail: str
    request_id: str | None = None
    errors: list[FieldError] | None = None
    more_errors: int | None = None
    missing: MissingResource | None = None
    used_by: list[str] | None = None
    credentials: list[CredentialToKeep] | None = None
    members: list[MemberToKeep] | None = None


class ProblemRaised(Exception):
    """A refusal by the admin API itself. `reason` is for the log, never sent."""

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
        """Invalid fields: the first of `errors`, and the number of those left out of `total`."""
        shown = errors[:MAX_ERRORS]
        more = (len(errors) if total is None else total) - len(shown)
        detail = "; ".join(f"{each['field']}: {each['message']}" for each in shown[:3])
        return cls("invalid-fields", detail, errors=shown, **counted(more))


def counted(more: int) -> dict[str, Any]:
    """`more_errors`, for a list that leaves out that many."""
    return {"more_errors": more} if more > 0 else {}


def shortened(text: str) -> str:
    """`text` of a caller, shortened for a response."""
    return text if len(text) <= _MAX_NAME else text[:_MAX_NAME] + "…"


def status_of(name: str) -> int:
    """The status of a problem."""
    return _PROBLEMS[name][0]


def type_of(name: str) -> str:
    """The `type` of a problem: a URN, the same in every deployment."""
    return f"urn:agentos-issuer:problem:{name}"


# Problems of every operation, and those of operations with a body.
_ALWAYS = (
    *("unauthenticated", "forbidden", "invalid-fields"),
    *("server-error", "temporarily-unavailable"),
)
_OF_BODIES = ("malformed-request", "body-too-large", "unsupported-media-type")
_REFERENCE = {"$ref": "#/components/schemas/Problem"}


def documented(*names: str) -> dict[int | str, dict[str, Any]]:
    """`responses` of an operation with these problems, beside those that `AdminRoute` adds."""
    return {name: {} for name in names}


def rendered(names: Iterable[str], *, has_body: bool) -> dict[int | str, dict[str, Any]]:
    """`responses` for OpenAPI: these problems, and those of every operation."""
    responses: dict[int | str, dict[str, Any]] = {}
    for name in dict.fromkeys((*_ALWAYS, *names, *(_OF_BODIES if has_body else ()))):
        status, title = _PROBLEMS[name]
        example = {
            "type": type_of(name),
            "title": title,
            "status": status,
            "detail": title + ".",
            "request_id": "4f1c…",
        }
        content = {MEDIA_TYPE: {"schema": _REFERENCE, "examples": {}}}
        described = responses.setdefault(status, {"description": title, "content": content})
        described["content"][MEDIA_TYPE]["examples"][name] = {"value": example}
    return responses


def problem_schemas() -> dict[str, Any]:
    """`Problem` for `components`: given a model, FastAPI would also document `application/json`."""
    schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    return {**schema.pop("$defs"), "Problem": schema}


def answer(request: Request, problem: ProblemRaised) -> Response:
    """The response with the problem. Refusals of the admin API are logged."""
    status, title = _PROBLEMS[problem.name]
    if is_of_admin_api(request):
        # `issuer.telemetry.logs` adds client, address, method and path.
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
        # In ASCII: an unpaired surrogate from the caller must not break the response.
        json.dumps(body, ensure_ascii=True),
        status,
        media_type=MEDIA_TYPE,
        headers={"Cache-Control": "no-store", **(problem.headers or {})},
    )


def is_of_admin_api(request: Request) -> bool:
    """Whether the path of the request is in this API, existing or not."""
    base = admin_parts(request).administration.settings.base_path
    return request.url.path.startswith(f"{base}{ADMIN_API}/")
