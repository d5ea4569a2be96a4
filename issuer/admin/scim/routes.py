"""Where SCIM is served. The operations are imported with the first request: they need 17 MB."""

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from issuer.admin.access import authenticate, unauthenticated
from issuer.admin.parts import admin_parts
from issuer.admin.scim.client_secrets import presented_secret
from issuer.admin.scim.description import NOT_SUPPORTED, OPERATIONS, PREFIX, WITH_BODY
from issuer.admin.scim.responses import refusal, refusal_of
from issuer.composition import Access
from issuer.errors import InvalidCredentials
from issuer.http.requests import caller
from issuer.scopes import ISSUER_SCIM
from issuer.telemetry.logs import note_client


class ScimEndpoint:
    """Every method of one path. No body is read for a caller without the scope."""

    def __init__(self, path: str) -> None:
        self._path = path
        self.methods = frozenset(OPERATIONS[path])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        response: Response | None
        try:
            response = await self._answer(request)
        except Exception as error:
            if (response := refusal_of(error)) is None:
                raise
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        if request.method not in self.methods:
            headers = {"Allow": ", ".join(sorted(self.methods))}
            return refusal(405, "The method is not allowed here.", headers=headers)
        access = await _access_by_secret(request)
        if request.method == "GET":  # authenticated and answered in one thread
            return await run_in_threadpool(self._operate, request, access)
        access = await run_in_threadpool(self._admit, request, access)
        body = b""
        if request.method in WITH_BODY:
            body = await request.body()
            # Again after the body: however slowly it came, the rights are those of now.
            access = await _access_by_secret(request)
        async with admin_parts(request).turns.turn():
            return await run_in_threadpool(self._operate, request, access, body)

    def _operate(self, request: Request, access: Access | None, body: bytes = b"") -> Response:
        access = self._admit(request, access)
        from issuer.admin.scim.operations import operate  # noqa: PLC0415 - 7.4 MB

        return operate(access, self._path, request, body)

    def _admit(self, request: Request, access: Access | None) -> Access:
        """The access of an access token, if there is none by a secret yet; with the scope."""
        access = access or authenticate(request, _BASIC)
        access.require(ISSUER_SCIM)
        if self._path in NOT_SUPPORTED:
            raise HTTPException(501, f"{self._path} is not supported.")
        return access


_BASIC = "Basic"  # RFC 7617, with the id of a client and its secret
_NOT_ACCEPTED = "The secret token is not that of a client and a valid secret of it."


async def _access_by_secret(request: Request) -> Access | None:
    """The access of a client that sends its secret; None for any other caller."""
    presented = presented_secret(request)
    if presented is None:
        return None
    parts = admin_parts(request)
    parts.administration.require_current()
    try:
        held = await parts.client_secrets.authenticate(request, presented)
    except InvalidCredentials as error:
        raise unauthenticated(request, _NOT_ACCEPTED, other_scheme=_BASIC) from error
    note_client(presented.client_id)
    return Access(parts.administration, caller(request, presented.client_id), held)


def scim_routes(base: str) -> list[Route]:
    """A route for each path, below that of the issuer."""
    return [Route(f"{base}{PREFIX}{path}", ScimEndpoint(path)) for path in OPERATIONS]


def no_scim_path(request: Request) -> Response | None:
    """404 for `/scim/v2` itself and for a wrong path below it; None elsewhere."""
    return refusal(404, "There is no such path.") if _is_of_scim(request.scope) else None


def scim_failed(scope: Scope) -> Response | None:
    """The response to an unexpected error at `/scim/v2` or below it; None elsewhere."""
    if not _is_of_scim(scope):
        return None
    return refusal(500, "Unexpected error. The server log has the cause.")


def _is_of_scim(scope: Scope) -> bool:
    base = admin_parts(Request(scope)).administration.settings.base_path
    return f"{scope['path']}/".startswith(f"{base}{PREFIX}/")
