"""Applications that are told of ended sessions, as the sender sees the internet."""

import json
from base64 import urlsafe_b64decode
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs

from issuer.deliveries.logouts_store import LOGOUT
from issuer.deliveries.queue_store import DeliveryQueue, Recipient
from issuer.federation.fetching import FetchRefused
from tests.builders import Deployment

URI = "https://app.example/logout"


@dataclass
class Receivers:
    """Each URL answers the first of its `answers`, or the last one again; by default 200.

    `slow` ones take two seconds.
    """

    deployment: Deployment
    answers: dict[str, list[int | str]] = field(default_factory=dict)
    received: list[tuple[str, str]] = field(default_factory=list)
    slow: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, deployment: Deployment) -> "Receivers":
        receivers = cls(deployment)
        deployment.services.deliveries._fetcher = receivers
        return receivers

    async def send(self, url: str, headers: dict[str, str], content: str) -> int:
        assert headers["Content-Type"] == "application/x-www-form-urlencoded"
        (token,) = parse_qs(content)["logout_token"]
        self.received.append((url, token))
        if url in self.slow:
            self.deployment.clock.move(timedelta(seconds=2))
        answers = self.answers.get(url, [200])
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, str):
            raise FetchRefused(answer)
        return answer

    def deliver(self) -> list[dict[str, Any]]:
        """Let everything be sent that is due; the claims of what was received, in order."""
        sender, before = self.deployment.services.deliveries, len(self.received)
        while claimed := sender.claim():
            for each in claimed:
                sender.deliver(each)
        return [part(token, 1) for _, token in self.received[before:]]

    def waiting(self, client_id: str = "app") -> int:
        with self.deployment.services.database.reading() as session:
            state = DeliveryQueue(session).find(Recipient(LOGOUT, client_id))
        return state.waiting if state else 0


def part(token: str, number: int) -> dict[str, Any]:
    """The header or the claims of a JWT, which nobody has verified."""
    text = token.split(".")[number]
    members: dict[str, Any] = json.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    return members
