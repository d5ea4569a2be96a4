"""Closes a WebSocket once its token is valid no more: AgentOS looks at the token once, at first."""

import json
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from typing import Any

import jwt

from issuer.agentos import caller
from issuer.agentos.errors import KeySetUnavailable

_INVALID, _TRY_AGAIN = 1008, 1013  # RFC 6455 §7.4.1 and its registry

Message = MutableMapping[str, Any]


class OpenSocket:
    """The messages of one WebSocket, in both directions, of which each needs a valid token.

    `require_valid` raises `jwt.InvalidTokenError`. Before somebody has authenticated AgentOS itself
    refuses what needs it; whoever authenticates again brings another token, for which `prepare` is
    called before AgentOS accepts or refuses it.
    """

    def __init__(
        self,
        scope: MutableMapping[str, Any],
        receive: Callable[[], Awaitable[Message]],
        send: Callable[[Message], Awaitable[None]],
        prepare: Callable[[str], Awaitable[None]],
        require_valid: Callable[[str], None],
    ) -> None:
        self._scope = scope
        self._receive = receive
        self._send = send
        self._prepare = prepare
        self._require_valid = require_valid
        self._closed_by: int | None = None
        self._is_authenticating = False

    async def receive(self) -> Message:
        """The next message; that the socket was closed, in place of one with an invalid token."""
        if self._closed_by is None:
            message = await self._receive()
            if message["type"] != "websocket.receive":
                return message
            if self._closed_by is None and (token := _token_in(message)):
                self._is_authenticating = True
                caller.forget()
                with suppress(KeySetUnavailable):
                    await self._prepare(token)
                return message
            if not await self._closes():
                return message
        return {"type": "websocket.disconnect", "code": self._closed_by, "reason": ""}

    async def send(self, message: Message) -> None:
        """Send it, and nothing once the socket was closed here."""
        if message["type"] == "websocket.send" and self._is_authenticating:
            self._note_answer(_read(message).get("event"))
        is_closed = self._closed_by is not None
        if is_closed or (message["type"] == "websocket.send" and await self._closes()):
            return
        await self._send(message)

    def _note_answer(self, event: object) -> None:
        """What AgentOS says of who authenticates: it refuses some although their token is valid."""
        newest = caller.newest_of(self._scope)
        if event == "authenticated":
            newest.authenticated()
        elif event == "auth_error":
            newest.refused()
        self._is_authenticating = event not in {"authenticated", "auth_error"}

    async def _closes(self) -> bool:
        """Whether it is closed, since the newest token that was accepted on it is not valid."""
        token = caller.newest_of(self._scope).token
        if self._closed_by is not None or token is None:
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


def _token_in(message: Message) -> str | None:
    """The token with which it authenticates: AgentOS decides by `action` alone."""
    read = _read(message)
    token = read.get("token") if read.get("action") == "authenticate" else None
    return token if isinstance(token, str) else None


def _read(message: Message) -> dict[str, Any]:
    """The JSON object in the text of the message; an empty one if it is none."""
    with suppress(ValueError, RecursionError):
        read = json.loads(message.get("text") or "")
        if isinstance(read, dict):
            return read
    return {}
