"""Properties of the state machine, for any order of calls, answers and times."""

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from issuer.client.errors import TokenRefused, TokenUnavailable
from issuer.client.lifecycle import (
    LONGEST_PAUSE,
    LONGEST_RETRY_AFTER,
    RENEWED_FROM,
    REPLACED_EVERY,
    UNUSED_AT_THE_END,
    UNUSED_SECONDS,
    Lifecycle,
    NextStep,
    cached_token,
)

UNIT = st.floats(0, 1, exclude_max=True)


class AnyOrder(RuleBasedStateMachine):
    """Callers, one issuer, and a clock."""

    def __init__(self) -> None:
        super().__init__()
        self.lifecycle = Lifecycle()
        self.now = 100.0
        self.requested_at: float | None = None
        self.issued: dict[str, tuple[float, float]] = {}
        self.refused: set[str] = set()
        self.replacements: list[float] = []
        self.starts: list[tuple[float, str]] = []

    def take(self, step: NextStep) -> None:
        """What every caller may rely on."""
        if step.starts:
            assert self.requested_at is None, "two requests at a time"
            self.requested_at = self.now
        if step.token is not None:
            obtained, lifetime = self.issued[step.token]
            assert self.now < obtained + lifetime, "an expired token"
            assert step.token not in self.refused, "a refused token"
            assert step.token == f"token-{len(self.issued)}", "not the newest"
        elif step.error is None:
            assert self.requested_at is not None, "it would wait for ever"

    @rule(seconds=st.one_of(st.floats(0, 2), st.floats(0, 2000)))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def a_caller_needs_a_token(self) -> None:
        before = self.requested_at
        step = self.lifecycle.ask(self.now)
        self.take(step)
        if step.starts and step.token is not None:
            obtained, lifetime = self.issued[step.token]
            assert self.now >= obtained + RENEWED_FROM * lifetime, "renewed too early"
        assert step.error is None or before is None, "fails though a request is in progress"

    @precondition(lambda self: self.issued)
    @rule(data=st.data())
    def a_service_refuses_a_token(self, data: st.DataObject) -> None:
        """Any that was ever issued: answers come late, too."""
        token = data.draw(st.sampled_from(sorted(self.issued)))
        current = f"token-{len(self.issued)}"
        obtained, lifetime = self.issued[token]
        unused = min(UNUSED_SECONDS, UNUSED_AT_THE_END * lifetime)
        is_usable = self.now < obtained + lifetime - unused
        is_first = token == current and token not in self.refused and is_usable
        step = self.lifecycle.replace(token, self.now)
        if step is None:
            assert token == current
            assert is_usable
            assert self.now < self.replacements[-1] + REPLACED_EVERY
            return
        if is_first:
            self.replacements.append(self.now)
            self.refused.add(token)
        assert step.token != token
        self.take(step)

    @precondition(lambda self: self.requested_at is not None)
    @rule(lifetime=st.floats(0.1, 90_000), random=UNIT)
    def the_issuer_answers(self, lifetime: float, random: float) -> None:
        assert self.requested_at is not None
        name = f"token-{len(self.issued) + 1}"
        self.issued[name] = self.requested_at, lifetime
        self.lifecycle.succeed(cached_token(name, lifetime, self.requested_at, random))
        self.requested_at = None

    @precondition(lambda self: self.requested_at is not None)
    @rule(retry_after=st.one_of(st.none(), st.floats(0, 1e9)), random=UNIT, final=st.booleans())
    def the_issuer_fails(self, retry_after: float | None, random: float, final: bool) -> None:
        error = TokenRefused("No.") if final else TokenUnavailable("No.", retry_after=retry_after)
        pause = self.lifecycle.fail(error, self.now, random)
        assert 0 < pause <= max(LONGEST_PAUSE, LONGEST_RETRY_AFTER)
        self.requested_at = None

    @precondition(lambda self: self.requested_at is not None)
    @rule()
    def the_process_forks(self) -> None:
        """In the child the request never ends."""
        self.lifecycle.abandon()
        self.requested_at = None

    @invariant()
    def replacements_are_bounded(self) -> None:
        pairs = zip(self.replacements, self.replacements[1:], strict=False)
        assert all(later - earlier >= REPLACED_EVERY for earlier, later in pairs)

    def teardown(self) -> None:
        """From every state, a call after the longest pause gets a token."""
        if self.requested_at is not None:
            self.the_issuer_answers(0.1, 0.5)
        self.now += LONGEST_RETRY_AFTER + 90_000
        step = self.lifecycle.ask(self.now)
        assert step.starts
        self.take(step)
        self.the_issuer_answers(900, 0.5)
        assert self.lifecycle.ask(self.now).token == f"token-{len(self.issued)}"
        self.take(self.lifecycle.ask(self.now))


TestAnyOrder = AnyOrder.TestCase
