"""`/manifest`: the house as one file, what a file would change, and the change itself."""

import json
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from pydantic import BaseModel

from issuer import manifest
from issuer.admin.access import Caller
from issuer.admin.limits import MOST_BYTES
from issuer.admin.problems import ProblemRaised, documented
from issuer.admin.representations import (
    IfMatch,
    never_stored,
    require_match,
    tagged,
)
from issuer.etags import etag_of
from issuer.manifest import Plan
from issuer.services import Rooms

router = APIRouter(prefix="/manifest", tags=["manifest"])

_YAML, _JSON = "application/yaml", "application/json"  # RFC 9512 §2.1, with the aliases
_READ = (_YAML, _JSON, "application/x-yaml", "text/yaml", "text/x-yaml")
_FILE = "manifest"  # what its problems call it


class Planned(BaseModel):
    """What would be done, in order, and what it means: who gains and loses what, and where."""

    change_count: int
    changes: list[dict[str, Any]]
    rights: list[dict[str, Any]]


class Done(Planned):
    """What was done, the ids of new users, and the secrets of new clients: only this once."""

    user_ids: dict[str, str]
    client_secrets: dict[str, str]


def manifest_schemas() -> dict[str, Any]:
    """A manifest, for `components` of the OpenAPI document: FastAPI does not read YAML."""
    schema = manifest.schema("#/components/schemas/{model}")
    return {**schema.pop("$defs"), "Manifest": schema}


async def _source(request: Request) -> bytes:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in _READ:
        raise ProblemRaised("unsupported-media-type", f"Send {_YAML} or {_JSON}.")
    return await request.body()


Source = Annotated[bytes, Depends(_source)]
Prune = Annotated[bool, Query(description="Delete what its sections do not name.")]
Accept = Annotated[str, Header(description=f"YAML if it names `{_YAML}`, else JSON.")]

_MANIFEST = {
    media_type: {"schema": {"$ref": "#/components/schemas/Manifest"}}
    for media_type in (_YAML, _JSON)
}
_BODY = {"requestBody": {"required": True, "content": _MANIFEST}}
_EXPORTED: dict[int | str, dict[str, Any]] = {200: {"description": "It", "content": _MANIFEST}}


@router.get("", response_class=Response, responses={**documented(), **_EXPORTED})
def export_manifest(caller: Caller, accept: Accept = "") -> Response:
    """The whole house but secrets, passwords and keys. The same house gives the same bytes."""
    with caller.services.reading(caller.actor, caller.held) as rooms:
        text = manifest.export(rooms)
    if _YAML in accept.lower():
        return _exported(text, _YAML)
    return _exported(json.dumps(manifest.data_of(text)), _JSON)


@router.get("/schema", responses=documented())
def read_manifest_schema(caller: Caller) -> dict[str, Any]:
    """The JSON Schema (2020-12) of a manifest, for editors and pipelines."""
    return manifest.schema()


@router.post("/plan", openapi_extra=_BODY, responses=documented("in-use", "not-allowed", body=True))
def plan_manifest(
    caller: Caller, source: Source, response: Response, prune: Prune = False
) -> Planned:
    """What a manifest would change here. Nothing is changed; the ETag names the plan."""
    with caller.services.reading(caller.actor, caller.held) as rooms:
        return tagged(response, Planned(**_plan(rooms, source, prune=prune).as_json()))


@router.post(
    "/apply",
    openapi_extra=_BODY,
    responses=documented(
        "in-use", "not-allowed", "already-exists", "precondition-failed", body=True
    ),
)
def apply_manifest(
    caller: Caller,
    source: Source,
    response: Response,
    prune: Prune = False,
    if_match: IfMatch = None,
) -> Done:
    """Make the house what a manifest declares: all of it, or on any error nothing.

    With `If-Match` and the ETag of a plan: just that plan, or 412.
    """
    with caller.services.changing(caller.actor, caller.held) as rooms:
        plan = _plan(rooms, source, prune=prune)
        planned = Planned(**plan.as_json())
        require_match(if_match, planned)
        applied = manifest.apply(rooms, plan)
    never_stored(response)
    return Done(
        **dict(planned), user_ids=dict(applied.user_ids), client_secrets=dict(applied.secrets)
    )


def _plan(rooms: Rooms, source: bytes, *, prune: bool) -> Plan:
    declared = manifest.read(source, _FILE, rooms, prune=prune, most_bytes=MOST_BYTES)
    return manifest.plan(rooms, declared, prune=prune)


def _exported(content: str, media_type: str) -> Response:
    headers = {"ETag": etag_of(content.encode()), "Vary": "Accept"}
    return Response(content, media_type=media_type, headers=headers)
