"""Closes a WebSocket once its token is valid no more: AgentOS looks at the token once, at first."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import jwt

from issuer.agentos import caller
from issuer.agentos.errors import KeySetUnavailable

_INVALID, _TRY_AGAIN = 1008, 1013  # RFC 6455 §7.4.1 and its registry

Message = MutableMapping[str, Any]


class OpenSocket:
    """The messages of one WebSocket, in both directions, of which each needs a valid token.

    `require_valid` raises `jwt.InvalidTokenError`. Before somebody has authenticated AgentOS itself
    refuses what needs it; whoever authenticates again brings another token.
    """

    def __init__(
        self,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
        require_valid: Callable[[str], None],
    ) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._require_valid = require_valid
        self._closed_by: int | None = None

    async def receive(self, is_authentication: Callable[[Message], bool]) -> Message:
        """The next message; that the socket was closed, in place of one with an invalid token."""
        if self._closed_by is None:
            message = await self._receive()
            if message["type"] != "websocket.receive" or is_authentication(message):
                return message
            if not await self._closes():
                return message
        return {"type": "websocket.disconnect", "code": self._closed_by, "reason": ""}

    async def send(self, message: Message) -> None:
        """Send it, and nothing once the socket was closed here."""
        is_closed = self._closed_by is not None
        if is_closed or (message["type"] == "websocket.send" and await self._closes()):
            return
        await self._send(message)

    async def _closes(self) -> bool:
        """Whether it is closed, since the newest token that was accepted on it is not valid."""
        if self._closed_by is not None or (token := caller.newest_token(self._scope)) is None:
            return self._closed_by is not None
        try:
            self._require_valid(token)
        except jwt.InvalidTokenError as error:
            may_return = isinstance(error, KeySetUnavailable)
            self._closed_by = _TRY_AGAIN if may_return else _INVALID
            reason = "The issuer is not available." if may_return else "The token is not valid."
            await self._send({"type": "websocket.close", "code": self._closed_by, "reason": reason})
            return True
        return False
