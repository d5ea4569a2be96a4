"""The revocation and introspection endpoints: requests of authenticated clients."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from starlette.requests import Request

from issuer.errors import TooManyRequests
from issuer.http.requests import caller
from issuer.oauth.client_authentication import Method
from issuer.oauth.endpoint import EndpointParts
from issuer.oauth.messages import (
    AuthenticatedRequest,
    OAuthError,
    OAuthResponse,
    parse_form,
    receive_form,
)
from issuer.rate_limits.client_queue import ClientQueues


class ForClients(Protocol):
    """What an endpoint decides for an authenticated client."""

    name: str
    path: str
    methods: Sequence[Method]
    is_for_scripts: bool

    def answer(self, request: AuthenticatedRequest) -> OAuthResponse:
        """The answer; `OAuthError` if it refuses.

        Its audit event is in the transaction of its change.
        """


class ClientEndpoint:
    """Parses, authenticates and refuses as the token endpoint does.

    With `queues` the requests of a client run one after the other.
    """

    def __init__(
        self, parts: EndpointParts, endpoint: ForClients, queues: ClientQueues | None = None
    ) -> None:
        self._parts = parts
        self._endpoint = endpoint
        self._queues = queues

    async def __call__(self, http_request: Request) -> OAuthResponse:
        event = f"{self._endpoint.name}_refused"
        answer = await self._parts.answered(http_request, event, self._answer)
        return replace(answer, is_for_scripts=self._endpoint.is_for_scripts)

    async def _answer(self, http_request: Request) -> OAuthResponse:
        """Parse, authenticate, run the endpoint. A refusal is audited as well."""
        actor = caller(http_request)
        try:
            request = parse_form(await receive_form(http_request, actor))
            authenticated = await self._parts.checks.authenticate(request, self._endpoint.methods)
            actor = authenticated.actor
            return await self._run(authenticated)
        except (OAuthError, TooManyRequests) as error:
            return await self._parts.refused(f"{self._endpoint.name}.refused", error, actor)

    async def _run(self, request: AuthenticatedRequest) -> OAuthResponse:
        async def run() -> OAuthResponse:
            return await self._parts.queries.run(self._endpoint.answer, request)

        if self._queues is None:
            return await run()
        return await self._queues.run(request.client.client_id, run)
