"""The token client in agno: for MCP tools, and for agents of another AgentOS."""

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Literal, NoReturn

from issuer.client.bearer import TokenSource
from issuer.client.on_behalf_of import own

if TYPE_CHECKING:
    from agno.agent.remote import RemoteAgent

# agno calls a header provider on the event loop, which waits as well.
SECONDS_IN_EVENT_LOOP = 5.0


def mcp_headers(token_client: TokenSource) -> Callable[..., Mapping[str, str]]:
    """A `header_provider` for `MCPTools` and `MultiMCPTools`.

    agno calls it when it connects, and for each run, whose requests all have these headers; with
    `refresh_connection=True` for each call of a tool. It blocks the event loop for at most
    `SECONDS_IN_EVENT_LOOP` while there is no token: `Agent(pre_hooks=[token_client.async_token])`
    awaits one before. If there is none, nothing is sent.

    `ValueError` for a client with `dpop`: agno sends these headers with several requests, and a
    proof is for one.

    On behalf of users, a run has the token of the user at hand. The connection, which all users
    share and over which agno only lists the tools, has the client's own.
    """

    if own(token_client).proofs is not None:
        raise ValueError(
            "mcp_headers cannot prove each request, which bound tokens need: use a TokenClient"
            " without dpop for MCPTools, or an MCP client that takes an httpx.Auth."
        )

    def headers(run_context: Any = None) -> Mapping[str, str]:
        tokens = own(token_client) if run_context is None else token_client
        try:
            return {"Authorization": f"Bearer {tokens.token(timeout=SECONDS_IN_EVENT_LOOP)}"}
        except Exception as error:
            return _NoHeaders(error)

    return headers


class _NoHeaders(Mapping[str, str]):
    """Raises when agno takes the headers. An error before that makes agno call without any."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def _raise(self) -> NoReturn:
        raise self._error

    def __getitem__(self, name: str) -> str:
        self._raise()

    def __iter__(self) -> Iterator[str]:
        self._raise()

    def __len__(self) -> int:
        return 1


def remote_agent(
    token_client: TokenSource,
    base_url: str,
    agent_id: str,
    *,
    timeout: float = 60.0,
    config_ttl: float = 300.0,
    protocol: Literal["agentos", "a2a"] = "agentos",
    a2a_protocol: Literal["json-rpc", "rest"] = "rest",
) -> "RemoteAgent":
    """A `RemoteAgent` whose requests carry the tokens of `token_client`, and no others.

    An `auth_token` that is passed to it, such as that of an incoming request which an AgentOS
    passes on, is not sent. A 401 is repeated once with a new token. The token is sent to
    `base_url`, which may be `http://` in a network that you trust. With `dpop`, each request has a
    proof; behind a proxy that renames it, `base_url` must be the `url` of the Verifier there.

    On behalf of users, what agno reads once for all of them, such as the agent's name, is read
    with the client's own token.
    """
    from issuer.client.agno_remote import AuthorizedRemoteAgent  # noqa: PLC0415 - an extra

    return AuthorizedRemoteAgent(
        token_client,
        base_url,
        agent_id,
        timeout=timeout,
        config_ttl=config_ttl,
        protocol=protocol,
        a2a_protocol=a2a_protocol,
    )
