"""Nobody holds a right after its end, and nobody gains one, whatever operators and clocks do.

Two processes with one database issue tokens, while roles are assigned with and without ends, ends
move, members come and go, time passes and the background job runs.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

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
from sqlalchemy import select

from issuer.database.counts import read_change_count
from issuer.database.tables import RevokedPrincipalRow
from issuer.roles import Assignment
from issuer.scopes import covers
from tests.builders import Credentials, Deployment, FakeClock
from tests.drivers import TokenAnswer, TokenDriver
from tests.issuers import Initialized, running, served
from tests.revocations.feed import Feed

LIFETIME = timedelta(minutes=15)
ROLES = {
    "runner": {"agents:run"},
    "web-runner": {"agents:web:run"},
    "reader": {"agents:read", "sessions:read"},
    "os-admin": {"agent_os:admin"},
}
OWN = ("teams:run", "teams:read")  # of the client itself
PRINCIPALS = ("service", "alice", "group")
AUDIENCES = (None, "my-os", "archive")
# In minutes: within the lifetime of a token, about as long, much longer, and lasting.
ENDS = st.sampled_from([1, 5, 14, 15, 16, 40, 600, None])


@dataclass
class Expected:
    """What is assigned until when, and who is in the group; None is no end."""

    assigned: dict[tuple[str, str, str | None], datetime | None] = field(default_factory=dict)
    own: dict[str, datetime | None] = field(default_factory=dict)
    is_member: bool = False

    def scopes(self, subject: str, audience: str, at: datetime) -> set[str]:
        """What the subject holds there at that moment."""
        names = {subject, "group"} if subject == "alice" and self.is_member else {subject}
        held: set[str] = set()
        for (who, role, where), end in self.assigned.items():
            if who in names and where in {None, audience} and (end is None or at < end):
                held |= ROLES[role]
        if subject == "service":
            held |= {scope for scope, end in self.own.items() if end is None or at < end}
        return held

    def first_loss(self, subject: str, audience: str, scopes: set[str], since: datetime) -> Any:
        """When the subject first lacks one of the scopes, if nobody changes anything."""
        ends = {end for end in (*self.assigned.values(), *self.own.values()) if end and end > since}
        for end in sorted(ends):
            held = self.scopes(subject, audience, end)
            if not all(covers(held, scope) for scope in scopes):
                return end
        return None


@dataclass
class Issued:
    text: str = field(repr=False)
    subject: str
    audience: str
    scopes: set[str]
    exp: datetime


class OverTime(RuleBasedStateMachine):
    processes: list[Deployment]
    clock: FakeClock
    clients: dict[str, Credentials]
    ids: dict[str, str]

    @initialize()
    def begin(self) -> None:
        self.tokens: list[Issued] = []
        self.expected = Expected()
        self.refresh_token: str | None = None
        with self.processes[0].changing() as work:
            for who in PRINCIPALS:
                for each in work.assignments.of(self.ids[who]):
                    work.assignments.unassign(self.ids[who], each)
            work.clients.update("service", {"scopes": []})
            work.groups.set_members(self.ids["group"], [])
        self.move(timedelta(hours=1))
        for each in self.processes:
            each.services.keys.rotator.poll()

    def change(self, by: int, do: Callable[[Any], None]) -> None:
        with self.processes[by].changing() as work:
            do(work)
        self.changed()

    def move(self, duration: timedelta) -> None:
        """The processes went on asking for changes meanwhile, of which there were none."""
        self.clock.move(duration)
        self.changed()

    def changed(self) -> None:
        """Every process sees a change within a second, and tokens are revoked within `PAUSE`."""
        self.clock.move(self.until_revoked())
        self.processes[0].services.administration.revoke_postponed()
        for each in self.processes:
            each.services.tokens.changes.poll()

    def until_revoked(self) -> timedelta:
        """Nothing, unless a revocation had to wait."""
        with self.processes[0].services.database.reading() as session:
            waits = select(RevokedPrincipalRow.again_at).where(
                RevokedPrincipalRow.again_at.is_not(None)
            )
            last = max(session.scalars(waits), default=self.clock())
        return max(last - self.clock(), timedelta(0))

    def end_in(self, minutes: int | None) -> datetime | None:
        if minutes is None:
            return None
        return self.clock().replace(microsecond=0) + timedelta(minutes=minutes)

    @rule(
        by=st.integers(0, 1),
        who=st.sampled_from(PRINCIPALS),
        role=st.sampled_from(sorted(ROLES)),
        audience=st.sampled_from(AUDIENCES),
        minutes=ENDS,
    )
    def assign(
        self, by: int, who: str, role: str, audience: str | None, minutes: int | None
    ) -> None:
        end = self.end_in(minutes)
        assignment = Assignment(role=role, audience=audience, expires_at=end)
        self.change(by, lambda work: work.assignments.assign(self.ids[who], assignment))
        self.expected.assigned[who, role, audience] = end

    @rule(by=st.integers(0, 1), which=st.integers(0, 20), minutes=ENDS)
    def move_an_end(self, by: int, which: int, minutes: int | None) -> None:
        if places := sorted(self.expected.assigned, key=str):
            self.assign(by, *places[which % len(places)], minutes)  # type: ignore[misc]

    @rule(by=st.integers(0, 1), which=st.integers(0, 20))
    def unassign(self, by: int, which: int) -> None:
        """And revoke the tokens: those of a user or client stay valid otherwise."""
        live = [
            place
            for place, end in self.expected.assigned.items()
            if end is None or end > self.clock()
        ]
        if not live:
            return
        who, role, audience = place = live[which % len(live)]

        def do(work: Any) -> None:
            work.assignments.unassign(self.ids[who], Assignment(role=role, audience=audience))
            if who != "group":
                work.revocations.revoke_subject(self.ids[who])

        self.change(by, do)
        del self.expected.assigned[place]

    @rule(by=st.integers(0, 1), ends=st.lists(ENDS, min_size=2, max_size=2))
    def give_scopes_of_its_own(self, by: int, ends: list[int | None]) -> None:
        own = {scope: self.end_in(minutes) for scope, minutes in zip(OWN, ends, strict=True)}
        fields = {
            "scopes": list(own),
            "scopes_expire_at": {s: end and end.isoformat() for s, end in own.items()},
        }
        self.change(by, lambda work: work.clients.update("service", fields))
        self.expected.own = own

    @rule(by=st.integers(0, 1))
    def change_membership(self, by: int) -> None:
        self.expected.is_member = not self.expected.is_member
        members = [self.ids["alice"]] if self.expected.is_member else []
        self.change(by, lambda work: work.groups.set_members(self.ids["group"], members))

    @rule(seconds=st.sampled_from([0.5, 1, 59, 60, 299, 301, 840, 900, 3_600]))
    def time_passes(self, seconds: float) -> None:
        self.move(timedelta(seconds=seconds))

    @rule(before=st.booleans(), which=st.integers(0, 20))
    def time_passes_until_an_end(self, before: bool, which: int) -> None:
        now = self.clock()
        every = (*self.expected.assigned.values(), *self.expected.own.values())
        if ends := sorted(end for end in every if end and end > now + timedelta(seconds=1)):
            end = ends[which % len(ends)] - timedelta(milliseconds=before)
            self.move(end - now)

    @rule(by=st.integers(0, 1))
    def run_the_job(self, by: int) -> None:
        self.processes[by].services.administration.delete_expired_rights()

    @rule(by=st.integers(0, 1))
    def start_again(self, by: int) -> None:
        """With an empty cache."""
        services = self.processes[by].services
        with services.database.reading() as session:
            services.tokens.directory.forget(read_change_count(session))

    @rule(by=st.integers(0, 1), audience=st.sampled_from(["my-os", "archive"]), times=st.just(2))
    def get_a_token(self, by: int, audience: str, times: int) -> None:
        """Twice, so that the second answer is from memory."""
        for _ in range(times):
            endpoint = TokenDriver(self.processes[by].http)
            answer = endpoint.client_credentials(self.clients["service"], audience=audience)
            self.issued(endpoint, answer, "service", audience)

    @rule(by=st.integers(0, 1), audience=st.sampled_from(["my-os", "archive"]))
    def sign_in(self, by: int, audience: str) -> None:
        endpoint = TokenDriver(self.processes[by].http)
        answer = endpoint.password(self.clients["app"], "alice", audience=audience)
        self.issued(endpoint, answer, "alice", audience)
        self.refresh_token, self.signed_in_at = answer.refresh_token, audience

    @rule(by=st.integers(0, 1))
    def refresh(self, by: int) -> None:
        """The family has ended where an operator revoked it."""
        if self.refresh_token is None:
            return
        endpoint = TokenDriver(self.processes[by].http)
        answer = endpoint.refresh(self.clients["app"], self.refresh_token)
        self.refresh_token = None
        if answer.status == 200:
            granted = self.issued(endpoint, answer, "alice", self.signed_in_at, is_whole=False)
            self.refresh_token = answer.refresh_token
            assert granted

    def issued(
        self,
        endpoint: TokenDriver,
        answer: TokenAnswer,
        subject: str,
        audience: str,
        *,
        is_whole: bool = True,
    ) -> Issued:
        assert answer.status == 200, answer.body
        claims, now = endpoint.claims(answer), self.clock()
        scopes, exp = set(claims["scopes"]), datetime.fromtimestamp(claims["exp"], now.tzinfo)
        held = self.expected.scopes(subject, audience, now)
        assert all(covers(held, scope) for scope in scopes)
        if is_whole:
            assert scopes == held
        loss = self.expected.first_loss(subject, audience, scopes, now)
        longest = now.replace(microsecond=0) + LIFETIME
        assert exp == (longest if loss is None else min(longest, loss))
        assert exp > now
        token = Issued(answer.token, subject, audience, scopes, exp)
        self.tokens.append(token)
        return token

    @invariant()
    def no_verifier_accepts_what_is_not_held(self) -> None:
        now = self.clock()
        self.tokens = [each for each in getattr(self, "tokens", ()) if each.exp > now]
        if not self.tokens:
            return
        feed = Feed.of(self.processes[0].http)
        for token in self.tokens:
            held = self.expected.scopes(token.subject, token.audience, now)
            if not feed.refuses(token.text):
                assert all(covers(held, scope) for scope in token.scopes), token

    @invariant()
    def nobody_is_shown_what_has_ended(self) -> None:
        if not hasattr(self, "expected"):
            return
        with self.processes[1].services.administration.reading() as work:
            for who in PRINCIPALS:
                shown = {
                    (each.role, each.audience): each.expires_at
                    for each in work.assignments.of(self.ids[who])
                }
                assert shown == {
                    (role, audience): end
                    for (name, role, audience), end in self.expected.assigned.items()
                    if name == who and (end is None or end > self.clock())
                }


def run(opened: Initialized, clock: FakeClock, examples: int, steps: int) -> None:
    with running(opened, clock) as first, served(opened, clock) as second:
        first.audience("archive")
        for name, scopes in ROLES.items():
            first.role(name, sorted(scopes))
        audiences = ["my-os", "archive"]
        grants = ["password", "refresh_token"]
        clients = {
            "service": first.client("service", audiences=audiences),
            "app": first.client("app", audiences=audiences, grant_types=grants, user_rights="all"),
        }
        ids = {"service": "service", "alice": first.user("alice"), "group": first.group("Night")}
        here: dict[str, Any] = {
            "processes": [first, second],
            "clock": clock,
            "clients": clients,
            "ids": ids,
        }
        run_state_machine_as_test(
            type("OverTimeHere", (OverTime,), here),
            settings=settings(
                max_examples=examples,
                stateful_step_count=steps,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )


@pytest.mark.parametrize("more_settings", [{"rate_limit_passwords": "off"}])
@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_nobody_holds_a_right_after_its_end(opened: Initialized, clock: FakeClock):
    run(opened, clock, examples=5, steps=20)


@pytest.mark.slow
@pytest.mark.parametrize("more_settings", [{"rate_limit_passwords": "off"}])
def test_nobody_holds_a_right_after_its_end_in_long_sequences(
    opened: Initialized, clock: FakeClock
):
    run(opened, clock, examples=40, steps=40)
