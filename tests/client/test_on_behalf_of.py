"""A `TokenClient` acts for users: their tokens are exchanged (RFC 8693)."""

import asyncio
import base64
import json
import logging
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from issuer.client import SubjectTokenExpired, TokenClient, TokenRefused
from issuer.client.lifecycle import UNUSED_SECONDS, Lifecycle, cached_token
from issuer.client.on_behalf_of import ADVICE, MOST_SUBJECT_TOKENS
from tests.client.conftest import SECRET, MovedClock, ScriptedIssuer, answer, refusal, settled
from tests.client.programs import succeeds
from tests.client.test_bearer import OS, CalledService
from tests.client.test_concurrency import in_event_loops, in_threads
from tests.journeys.running_issuer import wait_until
from tests.rows import rows

New = Callable[..., TokenClient]

WALL = 1_800_000_000.0
LIFETIME = 900


def user_token(name: str = "alice", ends: float = WALL + LIFETIME) -> str:
    """An access token as a client reads it: nothing but its expiry."""
    return ".".join(
        base64.urlsafe_b64encode(each).rstrip(b"=").decode()
        for each in (b"{}", json.dumps({"sub": name, "exp": ends}).encode(), b"signature")
    )


@pytest.fixture
def tokens(new_client: New, clock: MovedClock) -> TokenClient:
    """The client of an AgentOS, whose wall clock moves with the other."""
    started = clock.now
    return new_client(
        client_id="os-1", audience="os-2", wall_clock=lambda: WALL + clock.now - started
    )


def test_it_exchanges_the_token_of_the_user(tokens: TokenClient, issuer: ScriptedIssuer):
    """RFC 8693 §2.1."""
    assert tokens.on_behalf_of(user_token(), "os-3", ["agents:run", "teams:run"]).token()
    assert issuer.basic == ["os-1", SECRET]
    assert issuer.form == {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "subject_token": user_token(),
        "subject_token_type": "urn:ietf:params:oauth:token-type:access_token",
        "audience": "os-3",
        "scope": "agents:run teams:run",
    }


def test_audience_and_scope_are_by_default_those_of_the_client(
    new_client: New, issuer: ScriptedIssuer
):
    tokens = new_client(audience="os-2", scope="agents:run")
    tokens.on_behalf_of(user_token(ends=4e9)).token()
    assert (issuer.form["audience"], issuer.form["scope"]) == ("os-2", "agents:run")
    new_client().on_behalf_of(user_token(ends=4e9)).token()
    assert {"audience", "scope"}.isdisjoint(issuer.form)


def test_each_user_audience_and_scope_has_a_token_of_its_own(
    tokens: TokenClient, issuer: ScriptedIssuer
):
    asked: list[tuple[Any, ...]] = [
        (user_token("alice"),),
        (user_token("bob"),),
        (user_token("alice"), "os-3"),
        (user_token("alice"), "os-3", "agents:run"),
    ]
    got = [[tokens.on_behalf_of(*each).token() for each in asked] for _ in range(3)]
    assert got == [["token-1", "token-2", "token-3", "token-4"]] * 3
    assert tokens.token() == "token-5"
    assert issuer.form["grant_type"] == "client_credentials"
    assert issuer.metadata_reads == 1


def test_acting_for_somebody_does_not_depend_on_for_whom_the_client_acted(tokens: TokenClient):
    alice = tokens.on_behalf_of(user_token("alice"))
    assert alice.on_behalf_of(user_token("bob")) is tokens.on_behalf_of(user_token("bob"))


def test_threads_and_event_loops_wait_for_one_exchange_of_each_user(
    tokens: TokenClient, issuer: ScriptedIssuer
):
    issuer.open.clear()
    users = [tokens.on_behalf_of(user_token(name)) for name in ("alice", "bob")]
    with ThreadPoolExecutor(4) as pool:
        waiting = [
            (pool.submit(in_threads, user.token), pool.submit(in_event_loops, user))
            for user in users
        ]
        wait_until(lambda: issuer.issuer_requests == 2, 30, "both exchanges")
        issuer.open.set()
        got = [set(threads.result(30) + loops.result(30)) for threads, loops in waiting]
    assert [len(each) for each in got] == [1, 1]
    assert got[0] | got[1] == {"token-1", "token-2"}
    assert issuer.issuer_requests == 2


def test_a_token_that_ends_with_that_of_the_user_is_not_renewed(
    tokens: TokenClient, issuer: ScriptedIssuer, clock: MovedClock
):
    """Another would end at the same time."""
    alice = tokens.on_behalf_of(user_token())
    alice.token()
    clock.move(LIFETIME - UNUSED_SECONDS - 1)
    assert alice.token() == "token-1"
    settled(alice)
    assert issuer.issuer_requests == 1


def test_a_shorter_token_is_renewed_until_that_of_the_user_expires(
    tokens: TokenClient, issuer: ScriptedIssuer, clock: MovedClock
):
    issuer.lifetime = 300
    alice = tokens.on_behalf_of(user_token())
    alice.token()
    clock.move(280)
    alice.token()
    settled(alice)
    assert alice.token() == "token-2"


def test_nobody_acts_for_a_user_after_their_token_has_expired(
    tokens: TokenClient, issuer: ScriptedIssuer, clock: MovedClock
):
    """Even if the issuer says that the exchanged one lives longer."""
    issuer.lifetime = 86_400
    alice = tokens.on_behalf_of(user_token())
    alice.token()
    clock.move(LIFETIME)
    for client in (alice, tokens.on_behalf_of(user_token())):
        with pytest.raises(SubjectTokenExpired, match="sign in again"):
            client.token()
        with pytest.raises(SubjectTokenExpired):
            client.replace("token-1")
    assert issuer.issuer_requests == 1


OPAQUE = {
    "opaque": "an-opaque-token",
    "three parts": "a.b.c",
    "no expiry": ".".join(["e30", base64.urlsafe_b64encode(b"[1]").decode().rstrip("="), "c"]),
    "text": user_token(ends="soon"),  # type: ignore[arg-type]
    "far away": user_token(ends=math.inf),
}


@rows("subject", OPAQUE)
def test_a_token_whose_expiry_cannot_be_read_is_exchanged_all_the_same(
    tokens: TokenClient, issuer: ScriptedIssuer, subject: str
):
    """The issuer judges it."""
    assert tokens.on_behalf_of(subject).token() == f"token-{issuer.issued}"
    assert issuer.form["subject_token"] == subject


@pytest.mark.parametrize("token", ["", None, b"bytes"])
def test_what_cannot_be_a_token_is_refused_at_once(tokens: TokenClient, token: Any):
    with pytest.raises(ValueError, match="non-empty"):
        tokens.on_behalf_of(token)


@pytest.mark.parametrize("error", sorted(each for each in ADVICE if " " not in each))
def test_a_refused_exchange_says_what_the_issuer_said_and_what_to_do(
    tokens: TokenClient, issuer: ScriptedIssuer, error: str
):
    """RFC 8693 §2.2.2."""
    issuer.next_answers = [refusal(error, "So it is.")]
    with pytest.raises(TokenRefused) as raised:
        tokens.on_behalf_of(user_token()).token()
    assert str(raised.value) == (
        f"The issuer refuses a token: {error} (So it is.). {ADVICE[error]}"
    )
    assert (raised.value.error, raised.value.description) == (error, "So it is.")


@rows(
    ("description", "advice"),
    [
        ("The subject token cannot be used.", "Get a new access token of the user"),
        ("The token would have 5000 bytes, more than 4096.", None),
        ("Missing 'subject_token' in request.", None),
    ],
)
def test_a_new_token_of_the_user_is_advised_only_where_it_helps(
    tokens: TokenClient, issuer: ScriptedIssuer, description: str, advice: str | None
):
    issuer.next_answers = [refusal("invalid_request", description)]
    with pytest.raises(TokenRefused) as raised:
        tokens.on_behalf_of(user_token(description)).token()
    assert str(raised.value).partition("). ")[2].startswith(advice or "")
    assert ("). " in str(raised.value)) == (advice is not None)


def test_the_own_token_of_a_client_has_no_advice_about_users(
    tokens: TokenClient, issuer: ScriptedIssuer
):
    issuer.next_answers = [refusal("invalid_target", "No.")]
    with pytest.raises(TokenRefused) as raised:
        tokens.token()
    assert str(raised.value) == "The issuer refuses a token: invalid_target (No.)"


def test_one_user_that_is_refused_keeps_nobody_else_waiting(
    tokens: TokenClient, issuer: ScriptedIssuer
):
    issuer.next_answers = [refusal("invalid_grant", "Revoked.")]
    with pytest.raises(TokenRefused):
        tokens.on_behalf_of(user_token("alice")).token()
    assert tokens.on_behalf_of(user_token("bob")).token() == "token-1"
    with pytest.raises(TokenRefused):
        tokens.on_behalf_of(user_token("alice")).token()
    assert issuer.issuer_requests == 2


@pytest.mark.parametrize("is_async", [False, True])
def test_a_401_gets_one_new_token_for_the_same_user(
    tokens: TokenClient, issuer: ScriptedIssuer, is_async: bool
):
    service = CalledService(refused={"token-1"})
    auth = tokens.on_behalf_of(user_token()).auth()

    async def call() -> httpx.Response:
        async with httpx.AsyncClient(transport=httpx.MockTransport(service), auth=auth) as http:
            return await http.get(OS)

    if is_async:
        response = asyncio.run(call())
    else:
        with httpx.Client(transport=httpx.MockTransport(service), auth=auth) as http:
            response = http.get(OS)
    assert response.status_code == httpx.codes.OK
    assert issuer.issuer_requests == 2
    assert issuer.form["subject_token"] == user_token()


def test_a_revoked_token_of_a_user_is_an_error_that_says_so(
    tokens: TokenClient, issuer: ScriptedIssuer
):
    service = CalledService(refused={"token-1"})
    issuer.next_answers = [answer("token-1"), refusal("invalid_grant", "It was revoked.")]
    auth = tokens.on_behalf_of(user_token()).auth()
    with (
        httpx.Client(transport=httpx.MockTransport(service), auth=auth) as http,
        pytest.raises(TokenRefused, match="It was revoked"),
    ):
        http.get(OS)


def test_users_are_forgotten_in_the_order_of_their_last_use(tokens: TokenClient):
    first = [tokens.on_behalf_of(user_token(f"user-{n}")) for n in range(MOST_SUBJECT_TOKENS)]
    tokens.on_behalf_of(user_token("user-0"))
    tokens.on_behalf_of(user_token("one more"))
    assert tokens.on_behalf_of(user_token("user-0")) is first[0]
    assert tokens.on_behalf_of(user_token("user-2")) is first[2]
    assert tokens.on_behalf_of(user_token("user-1")) is not first[1]
    assert held(tokens) == MOST_SUBJECT_TOKENS


def test_expired_tokens_of_users_are_not_kept(tokens: TokenClient, clock: MovedClock):
    for number in range(20):
        tokens.on_behalf_of(user_token(f"user-{number}"))
    clock.move(LIFETIME)
    tokens.on_behalf_of(user_token("later", ends=WALL + 2 * LIFETIME))
    assert held(tokens) == 1


def held(tokens: TokenClient) -> int:
    return len(tokens._by_subject._clients)


def test_nothing_shows_the_token_of_a_user(
    tokens: TokenClient, issuer: ScriptedIssuer, caplog: pytest.LogCaptureFixture
):
    issuer.next_answers = [refusal("temporarily_unavailable", status=503), answer("token-1")]
    acting = tokens.on_behalf_of(user_token)
    alice = tokens.on_behalf_of(user_token())
    with caplog.at_level(logging.DEBUG):
        alice.token()
        issuer.next_answers = [refusal("invalid_grant", "Revoked.")]
        with pytest.raises(TokenRefused) as raised:
            alice.replace("token-1")
    shown = [repr(alice), repr(alice.auth()), repr(acting), repr(acting.auth()), caplog.text]
    shown += [str(raised.value), repr(vars(raised.value))]
    shown += [repr(each) for thing in (alice, acting, tokens) for each in vars(thing).values()]
    shown += [repr(vars(tokens._by_subject))]
    header, claims, _ = user_token().split(".")
    assert not [text for text in shown if claims in text or "token-1" in text or SECRET in text]
    assert header
    assert "on behalf of a user" in caplog.text


def test_a_callable_gives_the_token_of_the_user_at_hand_for_each_call(
    tokens: TokenClient, issuer: ScriptedIssuer
):
    at_hand = [user_token("alice")]
    acting = tokens.on_behalf_of(lambda: at_hand[0])
    first = acting.token()
    at_hand[0] = user_token("bob")
    second = asyncio.run(acting.async_token())
    assert (first, second) == ("token-1", "token-2")
    assert tokens.on_behalf_of(user_token("alice")).token() == first
    service = CalledService(refused={second})
    with httpx.Client(transport=httpx.MockTransport(service), auth=acting.auth()) as http:
        assert http.get(OS).status_code == httpx.codes.OK
    assert issuer.form["subject_token"] == user_token("bob")
    at_hand[0] = user_token("alice")
    assert asyncio.run(acting.async_replace(first)) == "token-4"
    acting.report_refused("token-4")


def test_a_callable_may_give_another_client_to_use(new_client: New, tokens: TokenClient):
    others = new_client(client_id="batch")
    acting = tokens.on_behalf_of(lambda: others)
    assert acting.present() is others
    assert acting.token() == "token-1"


def test_what_a_callable_raises_reaches_the_caller(tokens: TokenClient, issuer: ScriptedIssuer):
    class NobodyAtHand(Exception):
        pass

    def nobody() -> str:
        raise NobodyAtHand

    with pytest.raises(NobodyAtHand):
        tokens.on_behalf_of(nobody).token()
    assert issuer.issuer_requests == 0


FORKING = """
import os, sys
from issuer.client import TokenClient

client = TokenClient("https://id.example", "os-1", client_secret="secret")
alice = client.on_behalf_of("of alice")
with client._by_subject._lock:
    child = os.fork()
    if child == 0:
        os._exit(0 if client.on_behalf_of("of alice") is alice else 1)
sys.exit(os.waitpid(child, 0)[1])
"""


def test_a_forked_process_does_not_wait_for_threads_of_its_parent():
    assert succeeds(FORKING)


@given(
    lifetimes=st.lists(st.floats(1, 90_000), min_size=1),
    ends=st.floats(1, 90_000),
    steps=st.lists(st.floats(0, 3_000), max_size=60),
    random=st.floats(0, 1, exclude_max=True),
)
def test_no_token_outlives_that_of_the_user(
    lifetimes: list[float], ends: float, steps: list[float], random: float
):
    """Whatever the issuer says about the lifetime, and whenever it is asked."""
    lifecycle, now, given_out = Lifecycle(subject_ends=ends), 0.0, 0
    expires = 0.0
    for number, step in enumerate([0.0, *steps]):
        now += step
        taken = lifecycle.ask(now)
        if now >= ends:
            assert isinstance(taken.error, SubjectTokenExpired)
            assert not taken.starts
            continue
        if taken.token is not None:
            assert now < min(expires, ends)
        if taken.starts:
            lifetime = lifetimes[number % len(lifetimes)]
            expires = now + lifetime
            lifecycle.succeed(cached_token(f"token-{number}", lifetime, now, random, ends))
            given_out += 1
    assert given_out >= 1
