"""The routes of this door: plain Starlette routes, which cost a third of FastAPI's."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from issuer.http import document
from issuer.metrics import Metrics
from issuer.oauth.authorization_server import IssuerAuthorizationServer
from issuer.oauth.checking import Checking
from issuer.oauth.client_endpoint import ClientEndpoint
from issuer.oauth.metadata import (
    JWKS_PATH,
    MAX_AGE,
    TOKEN_PATH,
    metadata,
    metadata_paths,
    rendered,
)
from issuer.oauth.revocation_feed import FEED_PATH, RevocationFeedEndpoint
from issuer.oauth.token_endpoint import TokenEndpoint
from issuer.rates import Limits
from issuer.services import Services
from issuer.workers import WorkerPool


def protocol_routes(
    services: Services,
    server: IssuerAuthorizationServer,
    queries: WorkerPool,
    passwords: WorkerPool,
    metrics: Metrics,
    limits: Limits,
) -> list[Route]:
    """Every protocol endpoint, under the path of `ISSUER_URL`."""
    checking = Checking(limits, queries)
    token_endpoint = TokenEndpoint(services, server, checking, queries, passwords, metrics)
    revocation_feed = RevocationFeedEndpoint(services, queries)
    body, etag = rendered(metadata(services.settings, server))

    async def revocations(request: Request) -> Response:
        return await revocation_feed(request)

    async def jwks(request: Request) -> Response:
        current = services.keyring.jwks
        # Cut off from the database we still help to verify, but nobody should keep our view.
        is_current = services.changes.is_current
        longest = services.settings.jwks_max_age if is_current else timedelta(0)
        return document(
            request,
            current.body,
            etag=current.etag,
            media_type="application/jwk-set+json",
            max_age=current.max_age(services.clock(), longest),
        )

    async def discovery(request: Request) -> Response:
        return document(request, body, etag=etag, media_type="application/json", max_age=MAX_AGE)

    base = services.settings.base_path
    return [
        Route(base + TOKEN_PATH, OnlyPost(token_endpoint)),
        *(
            Route(
                base + endpoint.PATH,
                OnlyPost(ClientEndpoint(services, server, checking, queries, name)),
            )
            for name, endpoint in server.endpoints.items()
        ),
        Route(base + JWKS_PATH, jwks, methods=["GET"]),
        Route(base + FEED_PATH, revocations, methods=["GET"]),
        *(Route(path, discovery, methods=["GET"]) for path in metadata_paths(services.settings)),
    ]


class OnlyPost:
    """An endpoint for POST; every other method, known or not, is told so (RFC 9110 §15.5.6)."""

    def __init__(self, endpoint: Callable[[Request], Awaitable[Response]]) -> None:
        self._endpoint = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        is_post = request.method == "POST"
        answer = await self._endpoint(request) if is_post else _method_not_allowed("POST")
        await answer(scope, receive, send)


def _method_not_allowed(allowed: str) -> Response:
    return JSONResponse(
        {"error": "invalid_request", "error_description": f"Use {allowed}."},
        405,
        headers={"Allow": allowed, "Cache-Control": "no-store"},
    )
