"""Authentication of callers by an access token of this issuer for itself (RFC 6750)."""

from dataclasses import replace
from typing import Annotated

from fastapi import Depends, Query, Request
from fastapi.security import HTTPBearer
from starlette.concurrency import run_in_threadpool

from issuer.admin.parts import admin_parts
from issuer.admin.problems import ProblemRaised
from issuer.composition import Access
from issuer.errors import InvalidCredentials
from issuer.http.requests import bearer_token, caller
from issuer.telemetry.logs import note_client

_WITH_BODY = {"POST", "PUT", "PATCH"}
_NOT_ACCEPTED = "The access token is missing, expired, or not for this issuer."
_bearer = HTTPBearer(auto_error=False, scheme_name="access_token", bearerFormat="JWT")


def authenticate(request: Request, other_scheme: str = "") -> Access:
    """The caller's access, also stored for the operation. Rights removed since do not count.

    `other_scheme`: another one by which callers may authenticate here, for the refusal.
    """
    administration = admin_parts(request).administration
    administration.require_current()
    sent = bearer_token(request.scope["headers"]) or ""
    try:
        token = administration.read_own_token(sent)
        note_client(token.subject)
        held = administration.load_current_scopes(token)
    except InvalidCredentials as error:
        raise unauthenticated(request, other_scheme=other_scheme) from error
    access = Access(administration, caller(request, token.subject), held)
    request.state.access = access
    return access


def unauthenticated(
    request: Request, detail: str = _NOT_ACCEPTED, *, other_scheme: str = ""
) -> ProblemRaised:
    """One refusal for every cause, with a challenge for each scheme (RFC 9110 §11.6.1)."""
    # RFC 6750 §3.1: no error code without authentication, or with one by another scheme.
    scheme = request.headers.get("authorization", "").partition(" ")[0]
    invalid = ', error="invalid_token"' if scheme.lower() == "bearer" else ""
    other = f', {other_scheme} realm="issuer"' if other_scheme else ""
    challenges = {"WWW-Authenticate": f'Bearer realm="issuer"{invalid}{other}'}
    return ProblemRaised("unauthenticated", detail, challenges)


async def _authenticated(request: Request, _: Annotated[object, Depends(_bearer)] = None) -> Access:
    """Again after the body: however slowly it came, the rights are those of now."""
    if request.method in _WITH_BODY:
        return await run_in_threadpool(authenticate, request)
    access: Access = request.state.access
    return access


Caller = Annotated[Access, Depends(_authenticated)]
DryRun = Annotated[
    bool,
    Query(
        description="Check everything and change nothing. The answer is that of the change, or 200"
        " with the question that people are asked before, and has the header `Dry-Run: true`. Its"
        " `ETag` is for `If-Match` of the change, which is then refused with 412 if something else"
        " would be asked."
    ),
]


async def _trying(request: Request, access: Caller, dry_run: DryRun = False) -> Access:
    request.state.access = replace(access, dry_run=dry_run)
    return request.state.access  # type: ignore[no-any-return]


Changer = Annotated[Access, Depends(_trying)]
"""The caller of an operation that has a dry run."""
