"""Callers of all servers, and what each was answered."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count, cycle

import httpx

from tests.builders import Credentials
from tests.drivers import AdminApi, TokenAnswer, TokenDriver
from tests.journeys.proxies.callers import claims_of
from tests.journeys.running_issuer import Server
from tests.journeys.test_surviving_sigkill import in_threads

CALLERS = 3  # of tokens, of each server
SECONDS_TO_ANSWER = 60
BETWEEN_TOKENS = 0.01
BETWEEN_CHANGES = 0.25
TOKEN, REVOKE, READ, CHANGE = "token", "revoke", "read", "change"


@dataclass(frozen=True)
class Answer:
    """One request; `status` 0 if it had no answer within a minute. Times are monotonic."""

    server: int
    kind: str
    sent_at: float
    answered_at: float
    status: int
    retries_after: bool
    client_id: str
    jti: str | None = None

    @property
    def seconds(self) -> float:
        return self.answered_at - self.sent_at


@dataclass
class FaultLoad:
    """`steady` clients get tokens throughout; those that are to be disabled, until they are."""

    servers: list[Server]
    steady: list[Credentials]
    to_disable: list[Credentials]
    admin: Credentials
    answers: list[Answer] = field(default_factory=list)
    disabled_at: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Every error of a caller is raised at the end."""
        tokens = [AdminApi(each.http, self._admin_token(each)).headers for each in self.servers]
        work = [
            lambda stopped, n=n, number=number: self._request_tokens(stopped, number, n)
            for number in range(len(self.servers))
            for n in range(CALLERS)
        ]
        work += [
            lambda stopped, number=number: self._administer(stopped, number, tokens[number])
            for number in range(len(self.servers))
        ]
        numbers = count()

        def run(stopped: threading.Event) -> None:
            work[next(numbers)](stopped)

        with in_threads(len(work), run):
            yield

    def between(self, began: float, ended: float) -> list[Answer]:
        return [each for each in self.answers if began <= each.answered_at <= ended]

    def _admin_token(self, server: Server) -> str:
        return server.token_endpoint.client_credentials(self.admin).token

    def _request_tokens(self, stopped: threading.Event, number: int, caller: int) -> None:
        """Every fourth token is revoked by its client."""
        # Half of the requests go on getting tokens when all the others are disabled.
        clients = [each for pair in zip(cycle(self.steady), self.to_disable) for each in pair]
        with self._http(number) as http:
            endpoint = TokenDriver(http)
            for turn in count(caller):
                if stopped.wait(BETWEEN_TOKENS):
                    return
                client = clients[turn % len(clients)]
                answer = self._timed(
                    number,
                    TOKEN,
                    client.client_id,
                    lambda: endpoint.client_credentials(client).response,  # noqa: B023
                )
                if answer is not None and answer.is_success and turn % 4 == 0:
                    token = TokenAnswer(answer).token
                    self._timed(
                        number,
                        REVOKE,
                        client.client_id,
                        lambda: endpoint.revoke(client, token),  # noqa: B023
                    )

    def _administer(self, stopped: threading.Event, number: int, headers: dict[str, str]) -> None:
        """Disable one client after the other, each until that is acknowledged."""
        mine = self.to_disable[number :: len(self.servers)]
        with self._http(number) as http:
            for client in mine:
                path = f"/admin/v1/clients/{client.client_id}"
                while client.client_id not in self.disabled_at:
                    if stopped.wait(BETWEEN_CHANGES):
                        return
                    self._timed(number, READ, "", lambda: http.get(path, headers=headers))  # noqa: B023
                    changed = self._timed(
                        number,
                        CHANGE,
                        "",
                        lambda: http.patch(path, json={"disabled": True}, headers=headers),  # noqa: B023
                    )
                    if changed is not None and changed.is_success:
                        self.disabled_at[client.client_id] = time.monotonic()

    def _http(self, number: int) -> httpx.Client:
        url = self.servers[number].url
        return httpx.Client(base_url=url, timeout=SECONDS_TO_ANSWER, trust_env=False)

    def _timed(
        self, number: int, kind: str, client_id: str, request: Callable[[], httpx.Response]
    ) -> httpx.Response | None:
        sent_at = time.monotonic()
        try:
            response = request()
        except httpx.TransportError:
            response = None
        self.answers.append(
            Answer(
                number,
                kind,
                sent_at,
                time.monotonic(),
                0 if response is None else response.status_code,
                response is not None and "retry-after" in response.headers,
                client_id,
                jti_of(response) if kind == TOKEN else None,
            )
        )
        return response


def jti_of(response: httpx.Response | None) -> str | None:
    if response is None or not response.is_success:
        return None
    return claims_of(response.json()["access_token"])["jti"]


def statuses(answers: list[Answer]) -> Counter[int]:
    return Counter(each.status for each in answers)
