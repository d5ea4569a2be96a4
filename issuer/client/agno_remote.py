"""Subclasses of agno's clients of another server that send a token with each request.

agno has no place for an `httpx.Auth`: one httpx client serves all hosts, model providers too.
Every request of an `AgentOSClient` or `A2AClient` passes one of the methods overridden here.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import httpx
from agno.agent.remote import RemoteAgent
from agno.client import AgentOSClient
from agno.client.a2a import A2AClient

from issuer.client.bearer import TokenSource, is_refusal
from issuer.client.dpop import authorization
from issuer.client.metadata import parse_url
from issuer.client.on_behalf_of import own


class AuthorizedRemoteAgent(RemoteAgent):
    """A `RemoteAgent` with tokens of its own."""

    def __init__(self, tokens: TokenSource, base_url: str, agent_id: str, **more: Any) -> None:
        parse_url(base_url, "base_url")
        self._tokens = tokens
        super().__init__(base_url, agent_id, **more)

    def get_os_client(self) -> AgentOSClient:
        """agno asks for it once for the agent, and for the configuration."""
        return AuthorizedAgentOSClient(self._tokens, self.base_url, self.timeout)

    def get_a2a_client(self) -> A2AClient:
        """agno asks for it once, if the agent is one of the A2A protocol."""
        return AuthorizedA2AClient(
            self._tokens, self.base_url, int(self.timeout), self.a2a_protocol
        )


class AuthorizedAgentOSClient(AgentOSClient):
    """Sends the current token, and once another after a 401.

    Synchronous requests are those for what agno caches for all users.
    """

    def __init__(self, token_client: TokenSource, base_url: str, timeout: float = 60.0) -> None:
        super().__init__(base_url, timeout)
        self._tokens = token_client

    def _request(
        self, method: str, endpoint: str, *request: Any, headers: Any = None, **more: Any
    ) -> Any:
        call = AuthorizedCall(own(self._tokens), method, self.base_url + endpoint, headers)
        send: Any = super()._request
        token = call.tokens.token()
        try:
            return send(method, endpoint, *request, headers=call.headers(token), **more)
        except httpx.HTTPStatusError as error:
            another = call.token_to_repeat(error, token)
            if another is None and is_refusal(error.response, token):
                another = call.tokens.replace(token)
            if another is None:
                raise
        return send(method, endpoint, *request, headers=call.headers(another), **more)

    async def _arequest(
        self, method: str, endpoint: str, *request: Any, headers: Any = None, **more: Any
    ) -> Any:
        call = AuthorizedCall(self._tokens, method, self.base_url + endpoint, headers)
        return await call.send(super()._arequest, (method, endpoint, *request), more)

    async def _apost_multipart(
        self, endpoint: str, *request: Any, headers: Any = None, **more: Any
    ) -> Any:
        call = AuthorizedCall(self._tokens, "POST", self.base_url + endpoint, headers)
        return await call.send(super()._apost_multipart, (endpoint, *request), more)

    def _astream_post_form_data(
        self, endpoint: str, *request: Any, headers: Any = None, **more: Any
    ) -> AsyncIterator[str]:
        call = AuthorizedCall(self._tokens, "POST", self.base_url + endpoint, headers)
        return call.stream(super()._astream_post_form_data, (endpoint, *request), more)


class AuthorizedA2AClient(A2AClient):
    """Sends the current token, and once another after a 401 to a message."""

    def __init__(self, token_client: TokenSource, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._tokens = token_client

    async def send_message(self, *request: Any, headers: Any = None, **more: Any) -> Any:
        call = self._call("POST", "/v1/message:send", headers)
        return await call.send(super().send_message, request, more)

    def stream_message(self, *request: Any, headers: Any = None, **more: Any) -> AsyncIterator[Any]:
        call = self._call("POST", "/v1/message:stream", headers)
        return call.stream(super().stream_message, request, more)

    def get_agent_card(self, headers: Any = None) -> Any:
        call = self._card(headers)
        return super().get_agent_card(call.headers(call.tokens.token()))

    async def aget_agent_card(self, headers: Any = None) -> Any:
        call = self._card(headers)
        return await super().aget_agent_card(call.headers(await call.tokens.async_token()))

    def _call(self, method: str, path: str, headers: Any) -> "AuthorizedCall":
        return AuthorizedCall(self._tokens, method, self._get_endpoint(path), headers)

    def _card(self, headers: Any) -> "AuthorizedCall":
        url = self._get_endpoint("/.well-known/agent-card.json")
        return AuthorizedCall(own(self._tokens), "GET", url, headers)


@dataclass(frozen=True)
class AuthorizedCall:
    """A request of this method to this URL, with `others`, the headers that agno sends."""

    tokens: TokenSource
    method: str
    url: str
    others: Mapping[str, str] | None

    def headers(self, token: str) -> dict[str, str]:
        """Headers of agno, with this token in place of another, and a new proof if it is bound."""
        replaced = {"authorization", "dpop"}
        kept = (self.others or {}).items()
        others = {name: value for name, value in kept if name.lower() not in replaced}
        return {**others, **authorization(self.tokens.proofs, token, self.method, self.url)}

    async def send(self, send: Callable[..., Any], request: Any, more: Any) -> Any:
        token = await self.tokens.async_token()
        try:
            return await send(*request, headers=self.headers(token), **more)
        except httpx.HTTPStatusError as error:
            another = await self._another(error, token)
            if another is None:
                raise
        return await send(*request, headers=self.headers(another), **more)

    async def stream(self, send: Callable[..., Any], request: Any, more: Any) -> AsyncIterator[Any]:
        token = await self.tokens.async_token()
        for is_last in (False, True):
            parts = send(*request, headers=self.headers(token), **more)
            try:
                async with aclosing(parts):
                    async for part in parts:
                        yield part
            except httpx.HTTPStatusError as error:  # raised before the first part only
                another = None if is_last else await self._another(error, token)
                if another is None:
                    raise
                token = another
            else:
                return

    def token_to_repeat(self, error: httpx.HTTPStatusError, token: str) -> str | None:
        """`token`, if only its proof lacked a nonce that the answer has."""
        proofs = self.tokens.proofs
        return token if proofs is not None and proofs.asks_for_nonce(error.response) else None

    async def _another(self, error: httpx.HTTPStatusError, token: str) -> str | None:
        if (same := self.token_to_repeat(error, token)) is not None:
            return same
        refused = is_refusal(error.response, token)
        return await self.tokens.async_replace(token) if refused else None
