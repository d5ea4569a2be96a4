"""Authentication of callers by an access token of this issuer for itself (RFC 6750, RFC 9449)."""

from dataclasses import replace
from typing import Annotated

from anyio import from_thread
from fastapi import Depends, Query, Request
from fastapi.security import HTTPBearer
from starlette.concurrency import run_in_threadpool

from issuer.admin.parts import admin_parts
from issuer.admin.problems import ProblemRaised
from issuer.composition import Access
from issuer.dpop import DPoPError, SentProof, challenge
from issuer.dpop.proofs import INVALID_TOKEN, SCHEME
from issuer.errors import InvalidCredentials
from issuer.http.requests import access_token, caller
from issuer.telemetry.logs import note_client

_WITH_BODY = {"POST", "PUT", "PATCH"}
_NOT_ACCEPTED = "The access token is missing, expired, or not for this issuer."
_bearer = HTTPBearer(auto_error=False, scheme_name="access_token", bearerFormat="JWT")


def authenticate(request: Request, other_scheme: str = "") -> Access:
    """The caller's access, also stored for the operation. Rights removed since do not count.

    In a thread of AnyIO. The proof of a token that is bound to a key is used the first time.
    `other_scheme`: another one by which callers may authenticate here, for the refusal.
    """
    administration = admin_parts(request).administration
    administration.require_current()
    scheme, sent = access_token(request.scope["headers"])
    try:
        token = administration.read_own_token(sent)
        note_client(token.subject)
        held = administration.load_current_scopes(token)
    except InvalidCredentials as error:
        raise unauthenticated(request, other_scheme=other_scheme) from error
    if not getattr(request.state, "is_proven", False):
        _prove(request, scheme, sent, token.jkt)
    access = Access(administration, caller(request, token.subject), held)
    request.state.access = access
    return access


def _prove(request: Request, scheme: str, sent: str, jkt: str | None) -> None:
    """A bound token counts only with its proof, and no other token under `DPoP` (RFC 9449 §7)."""
    proofs = admin_parts(request).administration.proofs
    try:
        proof = proofs.check_token(scheme, sent, jkt, SentProof.of(request.scope))
        if proof is not None:
            from_thread.run(proofs.use, proof)
    except DPoPError as error:
        headers = {"WWW-Authenticate": challenge(error)}
        if error.nonce is not None:
            headers["DPoP-Nonce"] = error.nonce
        raise ProblemRaised("unauthenticated", str(error), headers) from error
    request.state.is_proven = True


def unauthenticated(
    request: Request, detail: str = _NOT_ACCEPTED, *, other_scheme: str = ""
) -> ProblemRaised:
    """One refusal for every cause, with a challenge for each scheme (RFC 9110 §11.6.1)."""
    # RFC 6750 §3.1: no error code without authentication, or with one by another scheme.
    scheme = request.headers.get("authorization", "").partition(" ")[0]
    if scheme.lower() == SCHEME:
        error = DPoPError(_NOT_ACCEPTED, INVALID_TOKEN)
        return ProblemRaised("unauthenticated", detail, {"WWW-Authenticate": challenge(error)})
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
