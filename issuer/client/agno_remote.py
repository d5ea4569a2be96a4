"""Subclasses of agno's clients of an AgentOS that send a token with each request.

agno has no place for an `httpx.Auth`: one httpx client serves all hosts, model providers too.
Every request of an `AgentOSClient` passes one of the four methods that are overridden here.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing
from typing import Any

import httpx
from agno.agent.remote import RemoteAgent
from agno.client import AgentOSClient

from issuer.client.bearer import is_refusal
from issuer.client.metadata import parsed
from issuer.client.token_client import TokenClient


class AuthorizedRemoteAgent(RemoteAgent):
    """A `RemoteAgent` of the AgentOS protocol, with tokens of its own."""

    def __init__(
        self, token_client: TokenClient, base_url: str, agent_id: str, **more: Any
    ) -> None:
        parsed(base_url, "base_url")
        self._token_client = token_client
        super().__init__(base_url, agent_id, **more)

    def get_os_client(self) -> AgentOSClient:
        """agno asks for it once for the agent, and for the configuration."""
        return AuthorizedAgentOSClient(self._token_client, self.base_url, self.timeout)


class AuthorizedAgentOSClient(AgentOSClient):
    """Sends the current token, and once another after a 401."""

    def __init__(self, token_client: TokenClient, base_url: str, timeout: float = 60.0) -> None:
        super().__init__(base_url, timeout)
        self._tokens = token_client

    def _request(self, *request: Any, headers: Any = None, **more: Any) -> Any:
        send: Any = super()._request
        token = self._tokens.token()
        try:
            return send(*request, headers=_with(token, headers), **more)
        except httpx.HTTPStatusError as error:
            another = self._tokens.replace(token) if is_refusal(error.response, token) else None
            if another is None:
                raise
        return send(*request, headers=_with(another, headers), **more)

    async def _arequest(self, *request: Any, headers: Any = None, **more: Any) -> Any:
        return await self._sent(super()._arequest, request, headers, more)

    async def _apost_multipart(self, *request: Any, headers: Any = None, **more: Any) -> Any:
        return await self._sent(super()._apost_multipart, request, headers, more)

    async def _sent(self, send: Any, request: Any, headers: Any, more: Any) -> Any:
        token = await self._tokens.async_token()
        try:
            return await send(*request, headers=_with(token, headers), **more)
        except httpx.HTTPStatusError as error:
            another = await self._another(error, token)
            if another is None:
                raise
        return await send(*request, headers=_with(another, headers), **more)

    async def _astream_post_form_data(
        self, *request: Any, headers: Any = None, **more: Any
    ) -> AsyncIterator[str]:
        send: Any = super()._astream_post_form_data
        token = await self._tokens.async_token()
        for is_last in (False, True):
            lines = send(*request, headers=_with(token, headers), **more)
            try:
                async with aclosing(lines):
                    async for line in lines:
                        yield line
            except httpx.HTTPStatusError as error:  # raised before the first line only
                another = None if is_last else await self._another(error, token)
                if another is None:
                    raise
                token = another
            else:
                return

    async def _another(self, error: httpx.HTTPStatusError, token: str) -> str | None:
        refused = is_refusal(error.response, token)
        return await self._tokens.async_replace(token) if refused else None


def _with(token: str, headers: Mapping[str, str] | None) -> dict[str, str]:
    """These headers, with this token in place of any other."""
    return {
        **{name: each for name, each in (headers or {}).items() if name.lower() != "authorization"},
        "Authorization": f"Bearer {token}",
    }
