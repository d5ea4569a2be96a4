"""The token client in agno: for MCP tools, and for agents of another AgentOS."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from issuer.client.token_client import TokenClient

if TYPE_CHECKING:
    from agno.agent.remote import RemoteAgent

# agno calls a header provider on the event loop, which waits as well.
SECONDS_IN_EVENT_LOOP = 5.0


def mcp_headers(token_client: TokenClient) -> Callable[[], dict[str, str]]:
    """A `header_provider` for `MCPTools` and `MultiMCPTools`.

    agno calls it for each run, and uses the headers for all requests of the run. It blocks the
    event loop for at most `SECONDS_IN_EVENT_LOOP` while there is no token: `await
    token_client.async_token()` before the first run. agno logs an error and goes on without
    headers.
    """

    def headers() -> dict[str, str]:
        return {"Authorization": f"Bearer {token_client.token(timeout=SECONDS_IN_EVENT_LOOP)}"}

    return headers


def remote_agent(
    token_client: TokenClient,
    base_url: str,
    agent_id: str,
    *,
    timeout: float = 60.0,
    config_ttl: float = 300.0,
) -> "RemoteAgent":
    """A `RemoteAgent` whose requests carry the tokens of `token_client`, and no others.

    An `auth_token` that is passed to it, such as that of an incoming request which an AgentOS
    passes on, is not sent. A 401 is repeated once with a new token. The token is sent to
    `base_url`, which may be `http://` in a network that you trust.
    """
    from issuer.client.agno_remote import AuthorizedRemoteAgent  # noqa: PLC0415 - needs agno[os]

    return AuthorizedRemoteAgent(
        token_client, base_url, agent_id, timeout=timeout, config_ttl=config_ttl
    )
