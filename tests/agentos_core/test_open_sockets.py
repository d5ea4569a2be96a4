"""A WebSocket ends with the token that was accepted on it."""

import asyncio
import json
from collections.abc import Iterable
from typing import Any

import jwt
import pytest

from issuer.agentos import caller
from issuer.agentos.errors import KeySetUnavailable
from issuer.agentos.key_fetching import KeyFetching, Message, Receive, Scope, Send, TokenPlaces

AUTHENTICATED = {"event": "authenticated", "user_id": "u"}
AUTH_ERROR = {"event": "auth_error", "error": "Invalid token", "error_type": "user_disabled"}
CLOSED = {"type": "websocket.disconnect", "code": 1008, "reason": ""}


async def prepare_for(_token: str) -> None:
    pass


class Socket:
    """A socket, and an app on it that accepts every token, as AgentOS does, and echoes."""

    def __init__(self) -> None:
        self.refused: dict[str, Exception] = {}
        self.received: list[Message] = []
        self.sent: list[Message] = []
        self.accepts = True
        self.refuses_accepted = False

    def run(self, steps: Iterable[Any]) -> None:
        """Each step is a message from the client, or something that happens in between."""
        steps = iter(steps)

        async def receive() -> Message:
            for step in steps:
                if not callable(step):
                    return {"type": "websocket.receive", "text": json.dumps(step)}
                step()
            return {"type": "websocket.disconnect", "code": 1000}

        async def send(message: Message) -> None:
            self.sent.append(message)

        app = KeyFetching(
            self._app, TokenPlaces([], []), lambda: None, prepare_for, self._require_valid
        )
        asyncio.run(app({"type": "websocket", "path": "/ws", "headers": []}, receive, send))

    async def _app(self, _scope: Scope, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            self.received.append(message)
            if message["type"] == "websocket.disconnect":
                return
            sent = json.loads(message["text"])
            if sent.get("action") == "authenticate":
                await send({"type": "websocket.send", "text": json.dumps(self._answer(sent))})
            else:
                await send({"type": "websocket.send", "text": message["text"]})

    def _answer(self, sent: dict[str, Any]) -> dict[str, str]:
        if sent["token"].startswith("agno_pat_"):
            return AUTHENTICATED
        if not self.accepts:
            return AUTH_ERROR
        caller.accept(sent["token"], {})
        return AUTH_ERROR if self.refuses_accepted else AUTHENTICATED

    def _require_valid(self, token: str) -> None:
        if token in self.refused:
            raise self.refused[token]

    def revoke(self, token: str) -> None:
        self.refused[token] = jwt.InvalidTokenError("revoked")

    @property
    def echoed(self) -> list[Any]:
        texts = [each["text"] for each in self.sent if each["type"] == "websocket.send"]
        return [json.loads(text) for text in texts]


def authenticate(token: str) -> dict[str, str]:
    return {"action": "authenticate", "token": token}


def test_no_message_reaches_the_app_once_the_token_is_revoked() -> None:
    socket = Socket()
    socket.run([authenticate("a"), {"n": 1}, lambda: socket.revoke("a"), {"n": 2}, {"n": 3}])
    assert socket.echoed == [AUTHENTICATED, {"n": 1}]
    assert socket.received[-1] == CLOSED
    assert socket.sent[-1] == {
        "type": "websocket.close",
        "code": 1008,
        "reason": "The token is not valid.",
    }


def test_nothing_is_sent_to_somebody_whose_token_was_revoked() -> None:
    """What a run that began before says does not reach the client any more."""
    socket = Socket()
    sends: list[Send] = []

    async def app(_scope: Scope, receive: Receive, send: Send) -> None:
        sends.append(send)
        await receive()
        caller.accept("a", {})
        socket.revoke("a")
        for number in range(3):
            await send({"type": "websocket.send", "text": str(number)})
        socket.received.append(await receive())

    socket._app = app  # type: ignore[method-assign]
    socket.run([authenticate("a"), {"n": 1}])
    assert [each["type"] for each in socket.sent] == ["websocket.close"]
    assert socket.received == [CLOSED]


def test_a_socket_that_authenticates_again_in_time_goes_on() -> None:
    """Also with work that began under the earlier token."""
    socket = Socket()
    socket.run(
        [
            authenticate("a"),
            lambda: socket.revoke("a"),
            authenticate("b"),
            {"n": 1},
            lambda: socket.revoke("b"),
            {"n": 2},
        ]
    )
    assert socket.echoed == [AUTHENTICATED, AUTHENTICATED, {"n": 1}]
    assert socket.received[-1] == CLOSED


def test_a_failed_attempt_to_authenticate_again_keeps_no_socket_open() -> None:
    socket = Socket()

    def refuse() -> None:
        socket.revoke("a")
        socket.accepts = False

    socket.run([authenticate("a"), refuse, authenticate("forged"), {"n": 1}])
    assert socket.echoed == [AUTHENTICATED]
    assert socket.received[-1] == CLOSED


def test_without_the_issuer_it_is_closed_to_be_opened_again_later() -> None:
    socket = Socket()

    def lose() -> None:
        socket.refused["a"] = KeySetUnavailable("https://id.example", retry_after=1)

    socket.run([authenticate("a"), lose, {"n": 1}])
    assert socket.sent[-1]["code"] == 1013


def test_before_somebody_authenticates_agentos_itself_refuses() -> None:
    socket = Socket()
    socket.run([{"n": 1}, {"n": 2}])
    assert socket.echoed == [{"n": 1}, {"n": 2}]


@pytest.mark.parametrize(
    "smuggled",
    [
        {"action": "start-workflow", "token": "x", "n": "authenticate"},
        {"action": "start-workflow", "token": "b", "authenticate": "authenticate"},
        {"action": "authenticate", "token": ""},
        {"action": "authenticate", "token": None},
        {"action": ["authenticate"], "token": "b"},
    ],
)
def test_only_what_agentos_takes_as_authentication_is_received_without_a_valid_token(
    smuggled: dict[str, Any],
) -> None:
    socket = Socket()
    socket.run([authenticate("a"), lambda: socket.revoke("a"), smuggled, smuggled])
    assert socket.echoed == [AUTHENTICATED]
    assert socket.received[1:] == [CLOSED]


def test_nobody_authenticates_on_a_socket_that_was_closed_while_it_waited() -> None:
    socket = Socket()

    async def app(_scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        caller.accept("a", {})
        await send({"type": "websocket.send", "text": json.dumps(AUTHENTICATED)})
        waiting = asyncio.create_task(receive())
        socket.revoke("a")
        await send({"type": "websocket.send", "text": "of a run"})
        socket.received.append(await waiting)

    socket._app = app  # type: ignore[method-assign]
    socket.run([authenticate("a"), authenticate("b")])
    assert socket.received == [CLOSED]


def test_a_valid_token_that_agentos_refuses_keeps_no_socket_open() -> None:
    """As of a user who is disabled at the AgentOS itself."""
    socket = Socket()

    def refuse() -> None:
        socket.revoke("a")
        socket.refuses_accepted = True

    socket.run([authenticate("a"), refuse, authenticate("b"), {"n": 1}])
    assert socket.echoed == [AUTHENTICATED]
    assert socket.received[-1] == CLOSED


def test_a_refused_attempt_ends_no_socket_whose_token_is_valid() -> None:
    socket = Socket()

    def refuse() -> None:
        socket.refuses_accepted = True

    steps = [authenticate("a"), refuse, authenticate("b"), lambda: socket.revoke("b"), {"n": 1}]
    socket.run([*steps, lambda: socket.revoke("a"), {"n": 2}])
    assert socket.echoed == [AUTHENTICATED, AUTH_ERROR, {"n": 1}]


def test_a_socket_that_goes_on_by_a_service_account_does_not_end_with_the_earlier_token() -> None:
    socket = Socket()
    steps = [authenticate("a"), authenticate("agno_pat_1"), lambda: socket.revoke("a"), {"n": 1}]
    socket.run(steps)
    assert socket.echoed == [AUTHENTICATED, AUTHENTICATED, {"n": 1}]
