"""`/explain`, `/preview`, `/scopes`: what rights mean, before anybody relies on them."""

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import Request
from pydantic import BaseModel, Field

from issuer.admin.access import Access, Caller
from issuer.admin.problems import documented
from issuer.admin.representations import Cursor, Limit, Page, page_of
from issuer.admin.routes import admin_router
from issuer.catalogue import UnknownVersion, lint, scopes
from issuer.errors import InvalidCredentials, InvalidField
from issuer.explaining import PreviewRequest, Question, Subject
from issuer.fields import MAX_SCOPES, Fields
from issuer.workers import WorkerPool

router = admin_router("", "rights")


class Via(BaseModel):
    """Where a scope comes from; no role means that the holder has it directly."""

    scope: str
    holder: str
    role: str | None
    audience: str | None


class Explained(BaseModel):
    """The verdict of an AgentOS, or of the issuer at its own API, and how it comes about."""

    allowed: bool
    reason: str
    scope: str | None
    via: list[Via]
    required: list[str]
    listing: list[str] | str | None
    smallest_addition: list[str]
    held: list[str]


class Previewed(BaseModel):
    """What a token would say, and its size in bytes."""

    claims: dict[str, Any]
    bytes: int


class KnownScope(BaseModel):
    """A scope, and the versions of AgentOS that know it."""

    scope: str
    description: str
    per_resource: bool
    powerful: bool
    versions: list[str]


class ScopesToLint(Fields):
    """The scopes of a role or a client."""

    scopes: list[Annotated[str, Field(max_length=255)]] = Field(max_length=MAX_SCOPES)


class FoundOdd(BaseModel):
    """One sentence about one scope, and a scope to have in its place or besides."""

    code: str
    scope: str
    message: str
    suggestion: str | None


class Findings(BaseModel):
    """All that looks odd."""

    items: list[FoundOdd]
    next_cursor: None = None


@router.get("/scopes", responses=documented("invalid-cursor"))
def list_scopes(
    _: Caller, version: str | None = None, limit: Limit = 50, cursor: Cursor = None
) -> Page[KnownScope]:
    """Every scope of the AgentOS versions that are known, or of one of them."""
    try:
        found = scopes(version)
    except UnknownVersion as error:
        raise InvalidField("version", str(error)) from None
    known = [KnownScope(**each.as_json()) for each in found]
    return page_of("scopes", known, lambda each: each.scope, cursor, limit)


@router.post("/scopes/lint", responses=documented(body=True))
async def lint_scopes(request: Request, _: Caller, wanted: ScopesToLint) -> Findings:
    """What looks odd in a set of scopes: warnings, never refusals."""
    lints: WorkerPool = request.app.state.lints
    return await lints.run(_linted, wanted)


def _linted(wanted: ScopesToLint) -> Findings:
    return Findings(items=[FoundOdd(**each.as_json()) for each in lint(wanted.scopes)])


@router.post("/explain", responses=documented("not-found", body=True))
def explain(caller: Caller, question: Question) -> Explained:
    """May a client, a user or a token do this, and why? Nothing is issued.

    At the audience `ISSUER_URL` it is about this API.
    """
    _require_read_of(caller, question)
    try:
        found = caller.administration.explainer.explain(question)
    except UnknownVersion as error:
        raise InvalidField("version", str(error)) from None
    except InvalidCredentials as error:
        raise InvalidField("token", error.reason) from None
    decision = found.decision
    return Explained(
        **decision.as_json(),
        scope=decision.by[0] if decision.by else None,
        via=[Via(**asdict(source)) for source in found.via],
        held=list(found.held),
    )


@router.post("/preview", responses=documented("not-found", body=True))
def preview(caller: Caller, wanted: PreviewRequest) -> Previewed:
    """What a token would say, without making one."""
    _require_read_of(caller, wanted)
    found = caller.administration.explainer.preview(wanted, caller.administration.clock())
    return Previewed(claims=found.claims, bytes=found.size)


def _require_read_of(caller: Access, subject: Subject) -> None:
    """The read right for whom it is about."""
    about_user, about_client = subject.user_id is not None, subject.client_id is not None
    if subject.token is not None:
        try:
            _, about_user = caller.administration.explainer.subject_of(subject.token)
        except InvalidCredentials as error:
            raise InvalidField("token", error.reason) from None
        about_client = not about_user
    for resource, concerned in (("users", about_user), ("clients", about_client)):
        if concerned:
            caller.require(f"issuer:{resource}:read")
