"""The revocation and introspection endpoints: requests of authenticated clients."""

from dataclasses import replace
from functools import partial

from authlib.oauth2 import OAuth2Error
from starlette.requests import Request

from issuer.errors import TooManyRequests
from issuer.http.requests import caller
from issuer.oauth.endpoint_parts import EndpointParts
from issuer.oauth.errors import too_many_requests
from issuer.oauth.request import AuthenticatedRequest, parse_form, receive_form
from issuer.oauth.responses import OAuthResponse
from issuer.rate_limits import ClientQueues


class ClientEndpoint:
    """Parses, authenticates and refuses as the token endpoint does.

    The endpoint `name` writes its audit event in the transaction of its change. With `queues` the
    requests of a client run one after the other.
    """

    def __init__(self, parts: EndpointParts, name: str, queues: ClientQueues | None) -> None:
        self._parts = parts
        self._name = name
        endpoint = parts.server.endpoints[name]
        self._methods, self._is_for_scripts = endpoint.METHODS, endpoint.IS_FOR_SCRIPTS
        self._queues = queues

    async def __call__(self, http_request: Request) -> OAuthResponse:
        answer = await self._parts.answered(http_request, f"{self._name}_refused", self._answer)
        return replace(answer, is_for_scripts=self._is_for_scripts)

    async def _answer(self, http_request: Request) -> OAuthResponse:
        """Parse, authenticate, run the endpoint. A refusal is audited as well."""
        actor = caller(http_request)
        try:
            request = parse_form(await receive_form(http_request))
            authenticated = await self._parts.checks.authenticate(request, self._methods)
            actor = authenticated.actor
            answer = await self._run(authenticated)
        except OAuth2Error as error:
            await self._parts.refusals.audit(f"{self._name}.refused", error, actor)
            return OAuthResponse.refusing(error)
        return OAuthResponse(*answer)

    async def _run(
        self, request: AuthenticatedRequest
    ) -> tuple[int, dict[str, object], list[tuple[str, str]]]:
        parts = self._parts
        run = partial(parts.queries.run, parts.server.run_endpoint, self._name, request)
        if self._queues is None:
            return await run()
        try:
            return await self._queues.run(request.client.client_id, run)
        except TooManyRequests as error:
            raise too_many_requests(error) from None
