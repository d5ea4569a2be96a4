"""Any sequence of operations on refresh tokens keeps the rules."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from issuer.scopes import covers
from tests.builders import Deployment
from tests.drivers import TokenDriver
from tests.oauth.refreshing import SignedIn, assign, sign_in, unassign

GRACE, IDLE, LONGEST = timedelta(seconds=30), timedelta(days=14), timedelta(days=90)
ALL = {"agents:run", "sessions:read"}
WITHOUT_THE_ROLE = {"agents:web:run"}
SCOPES = [None, "agents:run", "agents:web:run", "agents:web:run sessions:read", "teams:run"]
WAITS = [timedelta(0), GRACE / 2, GRACE, timedelta(days=7), IDLE]


@dataclass
class ExpectedFamily:
    """The expected state of a family: its tokens, oldest first, and whether it is active."""

    granted: set[str]
    tokens: list[str]
    created_at: datetime
    used_at: datetime
    asked: str | None = None
    is_active: bool = True


class Refreshing(RuleBasedStateMachine):
    """A client that uses its tokens, and an operator who assigns and unassigns a role."""

    alice: SignedIn

    @initialize()
    def begin(self):
        self.families: list[ExpectedFamily] = []
        self.held = ALL
        assign(self.alice, "runner")
        self.sign_in(None)

    @property
    def now(self) -> datetime:
        return self.alice.deployment.clock()

    @rule(scope=st.sampled_from([None, "agents:web:run"]))
    def sign_in(self, scope: str | None):
        answer = self.alice.sign_in(**asking(scope))
        token = answer.refresh_token
        self.families.append(ExpectedFamily(answer.scope, [token], self.now, self.now))

    @rule(which=st.integers(0, 9), back=st.integers(0, 3), scope=st.sampled_from(SCOPES))
    def use(self, which: int, back: int, scope: str | None):
        self.do_use(self.families[which % len(self.families)], back, scope)

    @rule(which=st.integers(0, 9), scope=st.sampled_from(SCOPES), wait=st.sampled_from(WAITS))
    def repeat_a_request_whose_response_was_lost(
        self, which: int, scope: str | None, wait: timedelta
    ):
        family = self.families[-1 - which % len(self.families)]
        self.do_use(family, 0, scope)
        self.time_passes(wait)
        self.do_use(family, 1, scope)

    def do_use(self, family: ExpectedFamily, back: int, scope: str | None) -> None:
        back = min(back, len(family.tokens) - 1)
        answer = self.alice.refresh(family.tokens[-1 - back], **asking(scope))
        expected = self.expected(family, back, scope)
        if answer.status != 200:
            assert answer.error == expected
            return
        assert answer.scope == expected
        assert all(covers(family.granted, each) for each in answer.scope)
        if back == 0:
            family.tokens.append(answer.refresh_token)
            family.asked, family.used_at = scope, self.now
        assert answer.refresh_token == family.tokens[-1]

    def expected(self, family: ExpectedFamily, back: int, scope: str | None) -> set[str] | str:
        """The scopes of the access token, or the error."""
        since = self.now - family.used_at
        if not family.is_active or since >= IDLE or self.now - family.created_at >= LONGEST:
            return "invalid_grant"
        is_lost = back == 1 and since < GRACE and scope == family.asked
        if back > 0 and not is_lost:
            family.is_active = False
            return "invalid_grant"
        may = family.granted if self.held == ALL else WITHOUT_THE_ROLE
        asked = may if scope is None else set(scope.split())
        return asked if all(covers(may, each) for each in asked) else "invalid_scope"

    @rule()
    def unassign_the_role(self):
        if self.held == ALL:
            unassign(self.alice, "runner")
            self.held = WITHOUT_THE_ROLE

    @rule()
    def assign_the_role(self):
        assign(self.alice, "runner")
        self.held = ALL

    @rule(wait=st.sampled_from(WAITS))
    def time_passes(self, wait: timedelta):
        self.alice.deployment.wait(wait)

    @rule(which=st.integers(0, 9), back=st.integers(0, 3))
    def revoke(self, which: int, back: int):
        family = self.families[which % len(self.families)]
        token = family.tokens[max(-1 - back, -len(family.tokens))]
        assert self.alice.endpoint.revoke(self.alice.client, token).status_code == 200
        family.is_active = False

    @rule()
    def delete_expired_families(self):
        self.alice.deployment.services.tokens.refresh_tokens.delete_expired()

    @invariant()
    def at_most_the_newest_token_of_a_family_is_active(self):
        find = self.alice.deployment.services.tokens.refresh_tokens.find
        for family in self.families:
            active = [token for token in family.tokens if find(token) is not None]
            assert active in ([], [family.tokens[-1]])
            assert family.is_active or not active


def asking(scope: str | None) -> dict[str, str]:
    return {} if scope is None else {"scope": scope}


@pytest.mark.slow
@pytest.mark.parametrize(
    "more_settings", [{"refresh_reuse_grace": "30s", "rate_limit_passwords": "off"}]
)
@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_every_sequence_keeps_the_rules(deployment: Deployment, token_endpoint: TokenDriver):
    """At most one token of a family is active, and no scope exceeds that of the sign-in."""
    alice = sign_in(deployment, token_endpoint)
    deployment.role("web", ["agents:web:run"])
    assign(alice, "web")
    machine = type("RefreshingInThisDeployment", (Refreshing,), {"alice": alice})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=20,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
