"""Whose token is at hand: of the request that started what is running, and of no other."""

import asyncio
import contextvars
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from issuer.agentos import InvalidConfiguration, NoSubjectToken, Verifier, caller
from issuer.agentos.agno_hook import BoundValidator
from issuer.agentos.key_fetching import KeyFetching, TokenPlaces
from issuer.agentos.possession import PossessionRule
from tests.agentos_core.conftest import Following

ISSUER = "https://id.example"
NOW = 1_800_000_000.0


def claims_of(user: str, **claims: Any) -> dict[str, Any]:
    return {"iss": ISSUER, "sub": user, "client_id": "app", "exp": NOW + 900, **claims}


def at_hand() -> str | None:
    try:
        return caller.subject_token(ISSUER, NOW)
    except NoSubjectToken:
        return None


@contextmanager
def request_of(user: str | None, path: str = "/agents/web/runs") -> Iterator[dict[str, Any]]:
    scope: dict[str, Any] = {"type": "http", "path": path}
    with caller.in_request(scope):
        if user is not None:
            caller.accept(f"token of {user}", claims_of(user))
        yield scope


def test_there_is_no_user_outside_of_requests():
    with pytest.raises(NoSubjectToken, match="at the start, on a schedule, from a queue"):
        caller.subject_token(ISSUER, NOW)


def test_a_token_that_is_verified_outside_of_a_request_is_not_kept():
    """In a thread of a pool it would stay for what comes after."""
    caller.accept("token of alice", claims_of("alice"))
    assert at_hand() is None


def test_a_request_without_a_token_has_no_user():
    with request_of(None):
        assert at_hand() is None


def test_the_user_is_that_of_the_request_until_it_ends():
    with request_of("alice"):
        assert at_hand() == "token of alice"
    assert at_hand() is None


def test_a_request_in_the_context_of_another_has_its_own_user():
    """A pipelined one, or one of an app to itself."""
    with request_of("alice"):
        with request_of(None):
            assert at_hand() is None
        with request_of("bob"):
            assert at_hand() == "token of bob"
        assert at_hand() == "token of alice"


def test_the_middleware_sees_what_is_verified_further_in():
    """agno verifies a token in a task, and sometimes in a thread, within the request."""
    with request_of(None):

        async def verified() -> None:
            await asyncio.to_thread(caller.accept, "token of alice", claims_of("alice"))

        asyncio.run(verified())
        assert at_hand() == "token of alice"


def test_a_socket_that_authenticates_again_leaves_what_is_running_alone():
    async def run() -> None:
        with request_of("alice"):
            going_on = asyncio.Event()

            async def work() -> str | None:
                await going_on.wait()
                return at_hand()

            task = asyncio.create_task(work())
            caller.accept("token of bob", claims_of("bob"))
            going_on.set()
            assert await task == "token of alice"
            assert at_hand() == "token of bob"

    asyncio.run(run())


def test_a_socket_that_authenticates_again_without_a_token_of_a_user_has_none():
    """agno also accepts a service account there, of which a verifier learns nothing."""
    found: list[str | None] = []

    async def app(_scope: Any, receive: Any, _send: Any) -> None:
        caller.accept("token of alice", claims_of("alice"))
        for _ in range(2):
            await receive()
            found.append(at_hand())

    async def prepare_for(_token: str) -> None:
        pass

    texts = iter(['{"action": "ping"}', '{"action": "authenticate", "token": "agno_pat_1"}'])

    async def receive() -> dict[str, str]:
        return {"type": "websocket.receive", "text": next(texts)}

    middleware = KeyFetching(app, TokenPlaces([], []), lambda: None, prepare_for, id)
    scope = {"type": "websocket", "path": "/workflows/ws", "headers": []}
    asyncio.run(middleware(scope, receive, None))  # type: ignore[arg-type]
    assert found == ["token of alice", None]


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"iss": "https://other.example"}, "is not one of https://id.example"),
        ({"client_id": "alice"}, "no user to act for"),
        ({"exp": NOW}, "expired while this was running"),
        ({"exp": NOW - 5}, "expired while this was running"),
    ],
)
def test_what_is_not_a_valid_token_of_a_user_says_why(claims: dict[str, Any], why: str):
    with request_of(None), pytest.raises(NoSubjectToken, match=why):
        caller.accept("a token", claims_of("alice", **claims))
        caller.subject_token(ISSUER, NOW)


def test_the_token_is_in_no_repr():
    with request_of("alice") as scope:
        assert "token of alice" not in repr(scope)


class EarlyMcp:
    """The MCP SDK, version 1: what it runs has the context of the session's first request."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.running: contextvars.ContextVar[Any] = contextvars.ContextVar("request_ctx")
        module: Any = SimpleNamespace(request_ctx=self.running)
        monkeypatch.setitem(sys.modules, "mcp.server.lowlevel.server", module)

    def runs(self, scope: dict[str, Any] | None) -> None:
        request = None if scope is None else SimpleNamespace(scope=scope)
        self.running.set(SimpleNamespace(request=request))


def test_a_tool_of_a_session_has_the_user_of_its_own_request(monkeypatch: pytest.MonkeyPatch):
    mcp = EarlyMcp(monkeypatch)
    with request_of("alice", "/mcp"):
        of_session = contextvars.copy_context()
    with request_of("bob", "/mcp") as of_bob:
        pass

    def tool() -> str | None:
        assert at_hand() == "token of alice"
        mcp.runs(None)
        assert at_hand() == "token of alice"
        mcp.runs(of_bob)
        with request_of("carol", "/agents/web/runs"):
            assert at_hand() == "token of carol"
        return at_hand()

    assert of_session.run(tool) == "token of bob"


def test_a_request_after_one_of_mcp_is_not_taken_for_it(monkeypatch: pytest.MonkeyPatch):
    mcp = EarlyMcp(monkeypatch)
    with request_of("bob", "/mcp") as of_bob:
        pass
    mcp.runs(of_bob)
    assert at_hand() is None
    with request_of("alice"):
        assert at_hand() == "token of alice"


def test_threads_that_inherit_contexts_are_refused():
    """There, a thread of a pool acts for the user whose request was the first to need it."""
    with pytest.raises(InvalidConfiguration, match="PYTHON_THREAD_INHERIT_CONTEXT=0"):
        caller.require_separate_contexts(SimpleNamespace(thread_inherit_context=1))
    caller.require_separate_contexts(SimpleNamespace(thread_inherit_context=0))
    caller.require_separate_contexts(SimpleNamespace())


class HandedInTokens:
    """What a `TokenClient` of `issuer.client` is to a Verifier."""

    def on_behalf_of(self, subject: Any, *narrowed: Any) -> tuple[Any, ...]:
        return (subject, *narrowed)


def test_a_verifier_hands_the_user_at_hand_to_a_token_client():
    verifier = Verifier(ISSUER, "my-os", revocations=False)
    subject, *narrowed = verifier.on_behalf_of(
        HandedInTokens(), audience="os-2", scope="agents:run"
    )
    assert narrowed == ["os-2", "agents:run"]
    with pytest.raises(NoSubjectToken):
        subject()
    with request_of(None):
        caller.accept("token of alice", claims_of("alice", exp=4e9))
        assert subject() == "token of alice"


def test_another_client_is_used_only_where_it_was_named():
    verifier, batch = Verifier(ISSUER, "my-os", revocations=False), HandedInTokens()
    subject, *_ = verifier.on_behalf_of(HandedInTokens(), otherwise=batch)
    assert subject() is batch
    with request_of(None):
        caller.accept("a token", claims_of("alice", exp=1))
        assert subject() is batch
    with request_of(None):
        caller.accept("a token", claims_of("alice", exp=4e9))
        assert subject() == "a token"


def test_a_validator_keeps_the_tokens_that_it_accepts_and_no_others(
    follow: Callable[..., Following],
):
    following = follow(revocations=False)
    following.look_for()
    validator = BoundValidator(
        {following.server.url: following.issuer},
        SimpleNamespace(
            validate_token=None, verification_keys=None, issuer=None, scopes_claim="scopes"
        ),
        lambda: None,
        PossessionRule(),
    )
    good, forged = following.token(), f"{following.token()[:-8]}AAAAAAAA"
    with caller.in_request({"path": "/"}):
        with pytest.raises(Exception, match="signature"):
            validator(forged)
        with pytest.raises(NoSubjectToken):
            caller.subject_token(following.server.url, following.clocks.wall)
        validator(good)
        assert caller.subject_token(following.server.url, following.clocks.wall) == good


Step = tuple[str, int]
STEPS = st.lists(
    st.tuples(st.sampled_from(["task", "thread", "pool", "socket", "wait"]), st.integers(0, 4)),
    max_size=25,
)


@given(steps=st.lists(STEPS, min_size=2, max_size=8), workers=st.integers(1, 3))
def test_concurrent_requests_are_never_mixed(steps: list[list[Step]], workers: int):
    """Requests of different users that run tasks, threads and pools, in any interleaving.

    Each thing that runs has the user who started it, or none: a pool without the context.
    """
    seen: list[tuple[str, str | None, bool]] = []

    def note(user: str, *, may_be_none: bool = False) -> None:
        seen.append((f"token of {user}", at_hand(), may_be_none))

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        user = scope["user"]
        caller.accept(f"token of {user}", claims_of(user))
        started: list[Awaitable[object]] = []
        for number, (step, turns) in enumerate(scope["steps"]):
            started.append(begun(step, user, turns))
            if step == "socket":
                user = f"{scope['user']} again {number}"
                caller.accept(f"token of {user}", claims_of(user))
            note(user)
            await asyncio.sleep(0)
            note(user)
        background.extend(asyncio.ensure_future(each) for each in started)

    def begun(step: str, user: str, turns: int) -> Awaitable[object]:
        async def later() -> None:
            for _ in range(turns):
                await asyncio.sleep(0)
                note(user)
            if turns % 2:
                await asyncio.to_thread(note, user)

        if step == "thread":
            return asyncio.create_task(asyncio.to_thread(note, user))
        if step == "pool":
            loop = asyncio.get_running_loop()
            return loop.run_in_executor(pool, lambda: note(user, may_be_none=True))
        return asyncio.create_task(later())

    async def prepare_for(_token: str) -> None:
        pass

    background: list[asyncio.Future[object]] = []

    async def serve() -> None:
        middleware = KeyFetching(app, TokenPlaces([], []), lambda: None, prepare_for, id)
        requests = [
            middleware(
                {"type": "http", "path": "/run", "headers": [], "user": f"user-{n}", "steps": each},
                None,  # type: ignore[arg-type]
                None,  # type: ignore[arg-type]
            )
            for n, each in enumerate(steps)
        ]
        await asyncio.gather(*requests)
        await asyncio.gather(*background)
        assert at_hand() is None

    with ThreadPoolExecutor(workers) as pool:
        asyncio.run(serve())
    wrong = [
        (whose, found, may_be_none)
        for whose, found, may_be_none in seen
        if found != whose and not (may_be_none and found is None)
    ]
    assert wrong == []


@given(users=st.lists(st.sampled_from("abcdef"), min_size=2, max_size=30))
def test_threads_that_serve_requests_are_never_mixed(users: list[str]):
    """As a WSGI-like server does: a thread serves one request after the other."""
    ready = threading.Barrier(min(4, len(users)))

    def serve(numbered: tuple[int, str]) -> tuple[str, list[str | None]]:
        number, user = numbered
        if number < ready.parties:
            ready.wait(30)
        before = at_hand()
        with request_of(user):
            found = at_hand()
        return user, [before, found, at_hand()]

    with ThreadPoolExecutor(ready.parties) as pool:
        results = list(pool.map(serve, enumerate(users)))
    assert [found for _, found in results] == [
        [None, f"token of {user}", None] for user, _ in results
    ]
