"""`/explain`, `/preview`, `/scopes`: what rights allow, without issuing a token."""

from datetime import datetime
from functools import partial
from typing import Annotated, Any

from fastapi import Request
from pydantic import BaseModel, Field

from issuer.admin.access import Caller
from issuer.admin.parts import admin_parts
from issuer.admin.problems import documented
from issuer.admin.representations import Cursor, Limit, Page, page_of
from issuer.admin.routes import admin_router, requires
from issuer.catalogue import UnknownVersion, lint, scopes
from issuer.clients.client import CLIENT
from issuer.database.store import every
from issuer.directory import Through
from issuer.errors import InvalidCredentials, InvalidField, TooManyRequests, Unavailable
from issuer.explain.commands import commands_to_allow
from issuer.explain.explaining import PreviewRequest, Question
from issuer.fields.fields import MAX_SCOPES, Fields
from issuer.roles import ROLE
from issuer.users import USER

router = admin_router("", "rights")


class Via(BaseModel):
    """The source of a scope: a role, or without one the holder's own scopes.

    `through`: the group or the trusted issuer that gives the role; null for the holder's own.
    `expires_at`: when the scope ends there; null if it lasts.
    """

    scope: str
    holder: str
    role: str | None
    audience: str | None
    through: Through | None
    expires_at: datetime | None


class Explained(BaseModel):
    """The decision of AgentOS, or of the issuer at its own API, and the reasons.

    `actors` act for the subject of the token, the last one first. `jkt` is the thumbprint of the
    key to which the token is bound, null if it is not. `commands` are arguments of
    `issuer` that would allow the request, for callers who may read roles.
    """

    allowed: bool
    reason: str
    scope: str | None
    via: list[Via]
    required: list[str]
    listing: list[str] | str | None
    smallest_addition: list[str]
    held: list[str]
    audience: str
    actors: list[str]
    jkt: str | None
    commands: list[list[str]]


class Previewed(BaseModel):
    """The claims of a token, and its size in bytes."""

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


class ScopeWarning(BaseModel):
    """A warning about one scope, and a scope to use instead or in addition."""

    code: str
    scope: str
    message: str
    suggestion: str | None


class Findings(BaseModel):
    """All warnings."""

    items: list[ScopeWarning]
    next_cursor: None = None


@router.get("/scopes")
@requires(())
def list_scopes(
    _: Caller, version: str | None = None, limit: Limit = 50, cursor: Cursor = None
) -> Page[KnownScope]:
    """List every scope of the known AgentOS versions, or of one of them."""
    try:
        entries = scopes(version)
    except UnknownVersion as error:
        raise InvalidField("version", str(error)) from None
    known = [KnownScope(**each.as_json()) for each in entries]
    return page_of("scopes", known, lambda each: each.scope, cursor, limit)


@router.post("/scopes/lint")
@requires(())
async def lint_scopes(request: Request, caller: Caller, to_lint: ScopesToLint) -> Findings:
    """Check a set of scopes for mistakes: warnings, never refusals."""
    parts = admin_parts(request)
    lint_in_pool = partial(parts.lints.run, _linted, to_lint)
    try:
        return await parts.lint_queues.run(caller.actor.id or "", lint_in_pool)
    except TooManyRequests as error:
        raise Unavailable(str(error), error.retry_after) from None


def _linted(to_lint: ScopesToLint) -> Findings:
    return Findings(items=[ScopeWarning(**each.as_json()) for each in lint(to_lint.scopes)])


@router.post("/explain", responses=documented("not-found"))
@requires(
    CLIENT.read,
    USER.read,
    note="A question about a client requires issuer:clients:read, about a user issuer:users:read,"
    " about a user through a client, or a client on behalf of a user, both.",
)
def explain(caller: Caller, question: Question) -> Explained:
    """Explain whether a client, a user or a token may make a request. Nothing is issued.

    `on_behalf_of`: the client acts for that user, with a token that it gets in exchange for one of
    the user. The audience `ISSUER_URL` stands for this API.
    """
    caller.require_read_of(question)
    try:
        explanation = caller.administration.explainer.explain(question)
    except UnknownVersion as error:
        raise InvalidField("version", str(error)) from None
    except InvalidCredentials as error:
        raise InvalidField("token", error.reason) from None
    commands: list[list[str]] = []
    if not explanation.decision.allowed and caller.holds(ROLE.read):
        with caller.reading(ROLE.read) as work:
            roles = partial(every, work.roles.page, ROLE.key, None)
            commands = [[*each] for each in commands_to_allow(explanation, roles)]
    more = {"audience": explanation.audience, "actors": explanation.actors, "jkt": explanation.jkt}
    return Explained(**explanation.as_json(), **more, commands=commands)


@router.post("/preview", responses=documented("not-found"))
@requires(CLIENT.read, note="About a user, issuer:users:read is required as well.")
def preview(caller: Caller, request: PreviewRequest) -> Previewed:
    """Show the claims a token would have, without issuing one."""
    caller.require_read_of(request)
    token = caller.administration.preview(request)
    return Previewed(claims=token.claims, bytes=token.size)
