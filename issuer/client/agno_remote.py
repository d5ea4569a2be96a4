"""Subclasses of agno's clients of another server that send a token with each request.

agno has no place for an `httpx.Auth`: one httpx client serves all hosts, model providers too.
Every request of an `AgentOSClient` or `A2AClient` passes one of the methods overridden here.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing
from typing import Any

import httpx
from agno.agent.remote import RemoteAgent
from agno.client import AgentOSClient
from agno.client.a2a import A2AClient

from issuer.client.bearer import TokenSource, is_refusal
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

    def _request(self, *request: Any, headers: Any = None, **more: Any) -> Any:
        send: Any = super()._request
        tokens = own(self._tokens)
        token = tokens.token()
        try:
            return send(*request, headers=_with(token, headers), **more)
        except httpx.HTTPStatusError as error:
            another = tokens.replace(token) if is_refusal(error.response, token) else None
            if another is None:
                raise
        return send(*request, headers=_with(another, headers), **more)

    async def _arequest(self, *request: Any, headers: Any = None, **more: Any) -> Any:
        return await _send(self._tokens, super()._arequest, request, headers, more)

    async def _apost_multipart(self, *request: Any, headers: Any = None, **more: Any) -> Any:
        return await _send(self._tokens, super()._apost_multipart, request, headers, more)

    def _astream_post_form_data(
        self, *request: Any, headers: Any = None, **more: Any
    ) -> AsyncIterator[str]:
        send = super()._astream_post_form_data
        return _stream(self._tokens, send, request, headers, more)


class AuthorizedA2AClient(A2AClient):
    """Sends the current token, and once another after a 401 to a message."""

    def __init__(self, token_client: TokenSource, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._tokens = token_client

    async def send_message(self, *request: Any, headers: Any = None, **more: Any) -> Any:
        return await _send(self._tokens, super().send_message, request, headers, more)

    def stream_message(self, *request: Any, headers: Any = None, **more: Any) -> AsyncIterator[Any]:
        return _stream(self._tokens, super().stream_message, request, headers, more)

    def get_agent_card(self, headers: Any = None) -> Any:
        return super().get_agent_card(_with(own(self._tokens).token(), headers))

    async def aget_agent_card(self, headers: Any = None) -> Any:
        return await super().aget_agent_card(_with(await own(self._tokens).async_token(), headers))


async def _send(
    tokens: TokenSource, send: Callable[..., Any], request: Any, headers: Any, more: Any
) -> Any:
    token = await tokens.async_token()
    try:
        return await send(*request, headers=_with(token, headers), **more)
    except httpx.HTTPStatusError as error:
        another = await _another(tokens, error, token)
        if another is None:
            raise
    return await send(*request, headers=_with(another, headers), **more)


async def _stream(
    tokens: TokenSource, send: Callable[..., Any], request: Any, headers: Any, more: Any
) -> AsyncIterator[Any]:
    token = await tokens.async_token()
    for is_last in (False, True):
        parts = send(*request, headers=_with(token, headers), **more)
        try:
            async with aclosing(parts):
                async for part in parts:
                    yield part
        except httpx.HTTPStatusError as error:  # raised before the first part only
            another = None if is_last else await _another(tokens, error, token)
            if another is None:
                raise
            token = another
        else:
            return


async def _another(tokens: TokenSource, error: httpx.HTTPStatusError, token: str) -> str | None:
    refused = is_refusal(error.response, token)
    return await tokens.async_replace(token) if refused else None


def _with(token: str, headers: Mapping[str, str] | None) -> dict[str, str]:
    others = {name: it for name, it in (headers or {}).items() if name.lower() != "authorization"}
    return {**others, "Authorization": f"Bearer {token}"}
