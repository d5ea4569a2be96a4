"""The revocation and introspection endpoints: requests of authenticated clients."""

from dataclasses import dataclass, replace
from typing import ClassVar

from starlette.requests import Request

from issuer.errors import TooManyRequests
from issuer.http.requests import caller
from issuer.oauth.client_authentication import Methods
from issuer.oauth.endpoint import EndpointParts
from issuer.oauth.messages import (
    AuthenticatedRequest,
    OAuthError,
    OAuthResponse,
    parse_form,
    receive_form,
)
from issuer.rate_limits.client_queue import ClientQueues


@dataclass(eq=False, repr=False)
class ClientEndpoint:
    """Refuses as the token endpoint does. With queues, requests of a client run in turn."""

    name: ClassVar[str]
    path: ClassVar[str]
    methods: ClassVar[Methods]
    is_for_scripts: ClassVar[bool]

    _parts: EndpointParts
    _queues: ClientQueues | None

    def __post_init__(self) -> None:
        self._tokens = self._parts.tokens

    async def __call__(self, http_request: Request) -> OAuthResponse:
        answer = await self._parts.respond(http_request, f"{self.name}_refused", self._answer)
        return replace(answer, is_for_scripts=self.is_for_scripts)

    async def answer_from_memory(self, request: AuthenticatedRequest) -> OAuthResponse | None:
        """The answer, as `answer` gives it, where it needs no query of its own."""
        return None

    def answer(self, request: AuthenticatedRequest) -> OAuthResponse:
        """The answer; `OAuthError` if it refuses. Its audit event is in the same transaction."""
        raise NotImplementedError

    async def _answer(self, http_request: Request) -> OAuthResponse:
        """Parse, authenticate, answer. A refusal is audited as well."""
        actor = caller(http_request)
        try:
            request = parse_form(await receive_form(http_request, actor))
            authenticated = await self._parts.checks.authenticate(request, self.methods)
            actor = authenticated.actor
            if (at_once := await self.answer_from_memory(authenticated)) is not None:
                return at_once

            async def answer() -> OAuthResponse:
                return await self._parts.queries.run(self.answer, authenticated)

            if self._queues is None:
                return await answer()
            return await self._queues.run(authenticated.client.client_id, answer)
        except (OAuthError, TooManyRequests) as error:
            return await self._parts.refuse(f"{self.name}.refused", error, actor)
