"""`/manifest`: export, plan and apply the configuration as one file."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Annotated, Any

from fastapi import Depends, Header, Query, Request, Response

from issuer import manifest
from issuer.admin.access import Caller
from issuer.admin.parts import admin_parts
from issuer.admin.problems import ProblemRaised, documented
from issuer.admin.representations import AllowUnknownScopes, IfMatch, require_tag
from issuer.admin.routes import PRIVILEGED, admin_router, requires
from issuer.composition import Access
from issuer.http.streaming import StreamedText
from issuer.manifest.entries import TYPES
from issuer.provisioning.planning import (
    Planned,
    PlanRequest,
    PlanResult,
    apply_plan,
    make_plan,
)

router = admin_router("/manifest", "manifest")

_ALL = tuple(each.read for each in TYPES.values())

_YAML, _JSON = "application/yaml", "application/json"  # RFC 9512 §2.1, with the aliases
_MEDIA_TYPES = (_YAML, _JSON, "application/x-yaml", "text/yaml", "text/x-yaml")


class AppliedManifest(Planned):
    """The changes made, the ids of new users, and the secrets of new clients, shown once.

    `warnings` are about users who have rights at the issuer now and cannot sign in.
    """

    user_ids: dict[str, str]
    client_secrets: dict[str, str]
    warnings: list[str]


def manifest_schemas() -> dict[str, Any]:
    """The schema of a manifest, for `components` of the OpenAPI document."""
    schema = manifest.schema("#/components/schemas/{model}")
    return {**schema.pop("$defs"), "Manifest": schema}


async def _source(request: Request) -> bytes:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in _MEDIA_TYPES:
        raise ProblemRaised("unsupported-media-type", f"Send {_YAML} or {_JSON}.")
    admin_parts(request).plans.require_place()
    return await request.body()


Source = Annotated[bytes, Depends(_source)]
Prune = Annotated[bool, Query(description="Delete resources that its sections do not list.")]
KeepCredentials = Annotated[
    str,
    Query(
        description="Ids, with commas between them, of credentials that somebody without"
        " `issuer:admin` gave, which clients keep although they begin to hold rights at the issuer."
    ),
]
KeepMembers = Annotated[
    str,
    Query(
        description="Ids, with commas between them, of users whom somebody without `issuer:admin`"
        " put into groups, who stay although the group begins to hold rights at the issuer."
    ),
]
_NOT_KEPT = ("credentials-not-kept", "members-not-kept")
Accept = Annotated[str, Header(description=f"YAML if it contains `{_YAML}`, otherwise JSON.")]

_MANIFEST = {
    media_type: {"schema": {"$ref": "#/components/schemas/Manifest"}}
    for media_type in (_YAML, _JSON)
}
_BODY = {"requestBody": {"required": True, "content": _MANIFEST}}
_EXPORTED: dict[int | str, dict[str, Any]] = {
    200: {"description": "The manifest", "content": _MANIFEST}
}


@router.get("", response_class=Response, responses={**documented(), **_EXPORTED})
@requires(_ALL)
async def export_manifest(request: Request, caller: Caller, accept: Accept = "") -> Response:
    """Export the configuration, without secrets, passwords and keys."""
    as_yaml = _YAML in accept.lower()

    @contextmanager
    def pieces() -> Iterator[Iterator[str]]:
        with caller.administration.reading(caller.actor, caller.held) as work:
            yield manifest.export(work, as_json=not as_yaml)

    media_type = _YAML if as_yaml else _JSON
    return StreamedText(admin_parts(request).plans, pieces, media_type, {"Vary": "Accept"})


@router.get("/schema")
@requires(())
def read_manifest_schema(caller: Caller) -> dict[str, Any]:
    """Read the JSON Schema (2020-12) of a manifest, for editors and pipelines."""
    return manifest.schema()


@router.post(
    "/plan",
    openapi_extra=_BODY,
    response_model=Planned,
    responses=documented("in-use", "not-allowed"),
)
@requires(_ALL)
async def plan_manifest(
    request: Request,
    source: Source,  # before the caller, whose rights are those after it has come
    caller: Caller,
    prune: Prune = False,
    allow_unknown_scopes: AllowUnknownScopes = False,
) -> Response:
    """Plan a manifest. Nothing is changed; the ETag identifies the plan.

    503 with `Retry-After` while two other plans are in progress.
    """
    asked = _asked(caller, source, prune=prune, allow_unknown_scopes=allow_unknown_scopes)
    return await admin_parts(request).plans.run(_plan, caller, asked)


@router.post(
    "/apply",
    openapi_extra=_BODY,
    response_model=AppliedManifest,
    responses=documented("in-use", "not-allowed", *_NOT_KEPT, "already-exists"),
)
@requires(
    _ALL,
    note="Each section that changes requires its write scope, such as issuer:roles:write."
    f" {PRIVILEGED}",
)
async def apply_manifest(
    request: Request,
    source: Source,  # as above
    caller: Caller,
    prune: Prune = False,
    allow_unknown_scopes: AllowUnknownScopes = False,
    keep_credentials: KeepCredentials = "",
    keep_members: KeepMembers = "",
    if_match: IfMatch = None,
) -> Response:
    """Apply a manifest completely, or on any error change nothing.

    With `If-Match` and the ETag of a plan, apply just that plan; otherwise 412.
    """
    asked = _asked(caller, source, prune=prune, allow_unknown_scopes=allow_unknown_scopes)
    keep, members = (
        tuple(filter(None, each.split(","))) for each in (keep_credentials, keep_members)
    )
    asked = replace(asked, to_apply=True, keep=keep, keep_members=members)
    return await admin_parts(request).plans.run(_apply, caller, asked, if_match)


def _asked(caller: Access, source: bytes, **options: Any) -> PlanRequest:
    return PlanRequest(caller.actor, caller.held, source, **options)


def _plan(caller: Access, request: PlanRequest) -> Response:
    made = make_plan(caller.administration, request)
    return Response(made.body, media_type=_JSON, headers={"ETag": made.etag})


def _apply(caller: Access, request: PlanRequest, if_match: str | None) -> Response:
    def check(made: PlanResult) -> None:
        if if_match is not None:
            require_tag(if_match, made.etag)

    made, applied = apply_plan(caller.administration, request, check)
    new = {
        "user_ids": dict(applied.user_ids),
        "client_secrets": dict(applied.secrets),
        "warnings": list(applied.warnings),
    }
    # Joined as text: the plan may have megabytes.
    body = made.body[:-1] + b"," + json.dumps(new).encode()[1:]
    return Response(body, media_type=_JSON, headers={"Cache-Control": "no-store"})
