"""A token request is repeated while that may help, and no longer."""

from collections.abc import Callable

import httpx
import pytest

from issuer.client import TokenClient, TokenRefused, TokenUnavailable
from issuer.client.token_request import ALL_SECONDS, ATTEMPTS, MAX_BYTES
from tests.client.conftest import MovedClock, ScriptedIssuer, answer, refusal
from tests.rows import rows

New = Callable[..., TokenClient]

DATE = "Fri, 27 Nov 2026 05:00:00 GMT"
LATER = "Fri, 27 Nov 2026 05:00:07 GMT"

PASSING = {
    "503": refusal("temporarily_unavailable", status=503),
    "500 of a proxy": httpx.Response(500, html="<h1>Error</h1>"),
    "429": httpx.Response(429),
    "404 of a proxy": httpx.Response(404, html="<h1>Not found</h1>"),
    "an error that passes": refusal("temporarily_unavailable"),
    "dropped": httpx.RemoteProtocolError("Server disconnected without sending a response."),
    "refused connection": httpx.ConnectError("[Errno 111] Connection refused"),
    "timeout": httpx.ReadTimeout(""),
    "no JSON": httpx.Response(200, content=b"<html>"),
    "not UTF-8": httpx.Response(200, content=b'{"access_token": "\xff"}'),
    "deep JSON": httpx.Response(200, content=b"[" * 100_000),
    "no object": httpx.Response(200, json=["token"]),
    "empty": httpx.Response(200),
    "too large": httpx.Response(200, content=b" " * (MAX_BYTES + 1)),
    "compressed": httpx.Response(
        200, headers={"Content-Encoding": "gzip"}, stream=httpx.ByteStream(b"\x1f\x8b")
    ),
    "redirect": httpx.Response(307, headers={"Location": "https://attacker.example/"}),
    "no token": answer(...),
    "a token that is no text": answer(7),
    "a token with a line break": answer("a\r\nX-Injected: 1"),
    "an empty token": answer(""),
    "another type of token": answer("token", token_type="DPoP"),
    "no type of token": answer("token", token_type=...),
    "a negative lifetime": answer("token", expires_in=-1),
    "no lifetime": answer("token", expires_in=0),
    "a lifetime of less than a second": answer("token", expires_in=0.5),
    "a lifetime that is no number": answer("token", expires_in=True),
    "a lifetime that is text": answer("token", expires_in="900"),
}


@rows("fault", PASSING)
def test_a_fault_that_may_pass_is_not_seen_by_the_caller(
    new_client: New, issuer: ScriptedIssuer, fault: httpx.Response | Exception
):
    issuer.requests.clear()
    issuer.next_answers = [fault, fault]
    assert new_client().token() == f"token-{issuer.issued}"
    assert issuer.issuer_requests == 3
    assert {request.url.host for request in issuer.requests} == {"id.example"}


@rows("fault", PASSING)
def test_a_fault_that_does_not_pass_is_told(
    new_client: New, issuer: ScriptedIssuer, clock: MovedClock, fault: httpx.Response | Exception
):
    issuer.requests.clear()
    clock.slept.clear()
    issuer.next_answers = [fault] * ATTEMPTS
    with pytest.raises(TokenUnavailable, match=r"https://id\.example/oauth2/token"):
        new_client().token()
    assert issuer.issuer_requests == ATTEMPTS
    assert sorted(clock.slept) == clock.slept
    assert sum(clock.slept) < ALL_SECONDS


def test_faults_of_the_metadata_are_repeated_as_well(client: TokenClient, issuer: ScriptedIssuer):
    issuer.metadata_answers = [
        httpx.Response(503),
        httpx.ConnectError("refused"),
        httpx.Response(200, content=b"no JSON"),
        httpx.Response(200, json={"issuer": "https://id.example"}),
    ]
    assert client.token() == "token-1"


@rows(
    "headers",
    {
        "seconds": {"Retry-After": "7"},
        "date": {"Retry-After": LATER, "Date": DATE},
    },
)
@rows("status", [429, 503])
def test_retry_after_is_honoured(
    new_client: New,
    issuer: ScriptedIssuer,
    clock: MovedClock,
    status: int,
    headers: dict[str, str],
):
    clock.slept.clear()
    issuer.next_answers = [httpx.Response(status, headers=headers)]
    new_client().token()
    assert clock.slept == [7]


@rows("value", ["soon", "-1", "1e9", "", "٣", LATER])
def test_a_retry_after_without_meaning_is_ignored(
    new_client: New, issuer: ScriptedIssuer, clock: MovedClock, value: str
):
    clock.slept.clear()
    headers = [(b"Retry-After", value.encode())]
    issuer.next_answers = [httpx.Response(429, headers=headers)]
    new_client().token()
    assert sum(clock.slept) < 1


def test_a_long_retry_after_is_left_to_the_caller_and_kept(
    client: TokenClient, issuer: ScriptedIssuer, clock: MovedClock
):
    """No call blocks for minutes, and none disturbs the issuer before."""
    issuer.next_answers = [httpx.Response(429, headers={"Retry-After": "120"})]
    with pytest.raises(TokenUnavailable) as raised:
        client.token()
    assert raised.value.retry_after == 120
    clock.move(119)
    with pytest.raises(TokenUnavailable):
        client.token()
    assert (issuer.issuer_requests, clock.slept) == (1, [])
    clock.move(1)
    assert client.token() == "token-1"


def test_an_endless_retry_after_ends_after_five_minutes(
    client: TokenClient, issuer: ScriptedIssuer, clock: MovedClock
):
    issuer.next_answers = [httpx.Response(429, headers={"Retry-After": "9" * 50})]
    with pytest.raises(TokenUnavailable):
        client.token()
    clock.move(300)
    assert client.token() == "token-1"


def test_a_slow_issuer_is_given_up_after_a_bounded_time(
    client: TokenClient, issuer: ScriptedIssuer, clock: MovedClock
):
    def slow(_: httpx.Request) -> httpx.Response:
        clock.move(10)
        raise httpx.ReadTimeout("")

    issuer.next_answers = [slow] * ATTEMPTS
    before = clock.now
    with pytest.raises(TokenUnavailable):
        client.token()
    assert clock.now - before <= ALL_SECONDS + 10


def test_an_endpoint_that_moves_is_found_by_the_next_call(
    client: TokenClient, issuer: ScriptedIssuer, clock: MovedClock
):
    client.token()
    clock.move(1000)
    issuer.next_answers = [httpx.Response(404)] * ATTEMPTS
    with pytest.raises(TokenUnavailable, match="404"):
        client.token()
    issuer.metadata["token_endpoint"] = "https://id.example/token"
    clock.move(60)
    assert client.token() == "token-2"
    assert issuer.requests[-1].url.path == "/token"


def test_a_refusal_after_a_fault_ends_the_attempts(client: TokenClient, issuer: ScriptedIssuer):
    issuer.next_answers = [httpx.Response(503), refusal("invalid_target", "No such audience")]
    with pytest.raises(TokenRefused, match="No such audience"):
        client.token()
    assert issuer.issuer_requests == 2
