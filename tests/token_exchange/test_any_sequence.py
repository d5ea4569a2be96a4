"""Nobody gains by any sequence of exchanges, narrowings, changes of roles and revocations."""

from dataclasses import dataclass, field
from datetime import timedelta
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

from issuer.roles import Assignment
from issuer.scopes import covers
from tests.builders import Credentials, Deployment
from tests.drivers import TokenDriver
from tests.oauth.exchanging import EXCHANGE, exchange
from tests.revocations.feed import Feed

AUDIENCES = ("my-os", "archive", "vault")
ROLES = {
    "runner": ["agents:run"],
    "web-runner": ["agents:web:run"],
    "reader": ["sessions:read", "agents:read"],
    "os-admin": ["agent_os:admin"],
}
ASKED = [None, None, "agents:run", "agents:web:run", "sessions:read", "agent_os:admin"]
ACTORS = ("agent", "archivist", "wanderer")


@dataclass
class ExpectedToken:
    """A token that was issued, the one that it was exchanged for, and whether it has ended."""

    text: str = field(repr=False)
    claims: dict[str, Any]
    subject: "ExpectedToken | None" = None
    has_ended: bool = False

    @property
    def chain(self) -> list["ExpectedToken"]:
        """This token and all with which it began, the first one last."""
        return [self, *(self.subject.chain if self.subject else [])]


def actors_of(claims: dict[str, Any], name: str) -> list[str]:
    """Who acts if `name` exchanges a token with these claims, the last one first."""
    actors, act = [], claims.get("act")
    while act:
        actors.append(act["sub"])
        act = act.get("act")
    return actors if actors[:1] == [name] else [name, *actors]


class AnySequence(RuleBasedStateMachine):
    """Clients that exchange tokens of two users, and an operator who changes what they hold."""

    deployment: Deployment
    endpoint: TokenDriver
    clients: dict[str, Credentials]
    users: dict[str, str]

    @initialize()
    def begin(self) -> None:
        self.tokens: list[ExpectedToken] = []
        self.rules = {
            "agent": {("my-os", "archive")},
            "archivist": {("archive", "vault"), ("my-os", "vault")},
            "wanderer": {(a, b) for a in AUDIENCES for b in AUDIENCES},
        }
        for name in ACTORS:
            self.set_rules(name)
        for who in ("alice", "bob", "app", *ACTORS):
            self.unassign_all(who)
            for role in ("runner", "reader"):
                self.assign(who, role, None)
        self.deployment.wait(timedelta(seconds=3))
        self.sign_in("alice", "my-os", None)

    def rights(self, principal_id: str, audience: str) -> set[str]:
        """What a user or client holds there, according to the assignments."""
        with self.deployment.services.administration.reading() as work:
            assigned = work.assignments.of(principal_id)
        names = {each.role for each in assigned if each.audience in {None, audience}}
        return {scope for name in names for scope in ROLES[name]}

    def set_rules(self, name: str) -> None:
        rules = [{"from": a, "to": b} for a, b in sorted(self.rules[name])]
        with self.deployment.changing() as work:
            work.clients.update(name, {"may_act": rules})

    @rule(
        user=st.sampled_from(["alice", "bob"]),
        audience=st.sampled_from(AUDIENCES),
        scope=st.sampled_from(ASKED),
    )
    def sign_in(self, user: str, audience: str, scope: str | None) -> None:
        more = {} if scope is None else {"scope": scope}
        answer = self.endpoint.password(self.clients["app"], user, audience=audience, **more)
        if answer.status == 200:
            self.tokens.append(ExpectedToken(answer.token, self.endpoint.claims(answer)))
        else:
            assert answer.error in {"invalid_scope"}

    @rule(
        which=st.integers(0, 50),
        name=st.sampled_from(ACTORS),
        audience=st.sampled_from(AUDIENCES),
        scope=st.sampled_from(ASKED),
    )
    def exchange(self, which: int, name: str, audience: str, scope: str | None) -> None:
        if not self.tokens:
            return
        subject = self.tokens[-1 - which % len(self.tokens)]
        answer = exchange(
            self.endpoint, self.clients[name], subject.text, audience=audience, scope=scope
        )
        now = int(self.deployment.clock().timestamp())
        is_too_deep = len(actors_of(subject.claims, name)) > 3
        may = (subject.claims["aud"], audience) in self.rules[name]
        has_ended = subject.has_ended or subject.claims["exp"] <= now
        if has_ended or is_too_deep:
            assert answer.error in {"invalid_request", "invalid_target"}
        elif not may:
            assert answer.error == "invalid_target"
        if answer.status != 200:
            assert answer.error in {"invalid_request", "invalid_target", "invalid_scope"}
            return
        assert may
        assert not is_too_deep
        assert not has_ended
        self.require_no_gain(subject, self.endpoint.claims(answer), name, audience)
        self.tokens.append(ExpectedToken(answer.token, self.endpoint.claims(answer), subject))

    @rule(
        user=st.sampled_from(["alice", "bob"]),
        audience=st.sampled_from(AUDIENCES),
        steps=st.lists(
            st.tuples(st.sampled_from(AUDIENCES), st.sampled_from(ASKED)), min_size=2, max_size=4
        ),
    )
    def act_one_after_the_other(
        self, user: str, audience: str, steps: list[tuple[str, str | None]]
    ) -> None:
        """So that there are long chains: each exchanges the newest token."""
        self.sign_in(user, audience, None)
        for acts_at, scope in steps:
            self.exchange(0, "wanderer", acts_at, scope)

    def require_no_gain(
        self, subject: ExpectedToken, claims: dict[str, Any], name: str, audience: str
    ) -> None:
        """Each scope is one that the token, the user and the client have, and for no longer."""
        before = subject.claims
        for scope in claims["scopes"]:
            assert covers(before["scopes"], scope)
            assert covers(self.rights(claims["sub"], audience), scope)
            assert covers(self.rights(claims["sub"], before["aud"]), scope)
            assert covers(self.rights(name, audience), scope)
        assert (claims["sub"], claims.get("sid")) == (before["sub"], before.get("sid"))
        assert claims["exp"] <= before["exp"]
        assert (claims["aud"], claims["client_id"]) == (audience, name)
        assert actors_of(claims, name) == actors_of(before, name)
        assert "openid" not in claims["scope"].split()

    @rule(
        who=st.sampled_from(["alice", "bob", "app", *ACTORS]),
        role=st.sampled_from(sorted(ROLES)),
        audience=st.sampled_from([None, *AUDIENCES]),
    )
    def assign(self, who: str, role: str, audience: str | None) -> None:
        with self.deployment.changing() as work:
            principal = self.users.get(who, who)
            work.assignments.assign(principal, Assignment(role=role, audience=audience))

    @rule(who=st.sampled_from(["alice", "bob", "app", *ACTORS]), which=st.integers(0, 9))
    def unassign(self, who: str, which: int) -> None:
        principal = self.users.get(who, who)
        with self.deployment.changing() as work:
            if assigned := work.assignments.of(principal):
                work.assignments.unassign(principal, assigned[which % len(assigned)])

    def unassign_all(self, who: str) -> None:
        principal = self.users.get(who, who)
        with self.deployment.changing() as work:
            for each in work.assignments.of(principal):
                work.assignments.unassign(principal, each)

    @rule(name=st.sampled_from(ACTORS), which=st.integers(0, 9))
    def take_a_rule(self, name: str, which: int) -> None:
        """Which revokes the tokens of the client. Then it has the rule again."""
        taken = sorted(self.rules[name])[which % len(self.rules[name])]
        for change in (set.discard, set.add):
            change(self.rules[name], taken)
            self.set_rules(name)
        self.ended(lambda token: token.claims["client_id"] == name)

    @rule(
        who=st.sampled_from(["alice", "bob"]),
        role=st.sampled_from(sorted(ROLES)),
        audience=st.sampled_from(AUDIENCES),
    )
    def keep_a_role_only_there(self, who: str, role: str, audience: str) -> None:
        self.unassign_all(who)
        self.assign(who, role, audience)

    @rule(by_client=st.booleans())
    def revoke_the_first_of_the_newest_chain(self, by_client: bool) -> None:
        if self.tokens:
            self.revoke(self.tokens[-1].chain[-1], by_client)

    @rule(which=st.integers(0, 50), by_client=st.booleans())
    def revoke_a_token(self, which: int, by_client: bool) -> None:
        if self.tokens:
            self.revoke(self.tokens[-1 - which % len(self.tokens)], by_client)

    def revoke(self, token: ExpectedToken, by_client: bool) -> None:
        if by_client:
            client = self.clients[token.claims["client_id"]]
            assert self.endpoint.revoke(client, token.text).status_code == 200
        else:
            with self.deployment.changing() as work:
                work.revocations.revoke_tokens(
                    {token.claims["jti"]: self.deployment.clock() + timedelta(minutes=15)}
                )
        self.ended(lambda each: each is token)

    @rule(name=st.sampled_from(["app", *ACTORS]))
    def revoke_a_client(self, name: str) -> None:
        with self.deployment.changing() as work:
            work.clients.revoke_tokens(name)
        self.ended(lambda token: token.claims["client_id"] == name)

    @rule(user=st.sampled_from(["alice", "bob"]))
    def revoke_a_user(self, user: str) -> None:
        with self.deployment.changing() as work:
            work.users.revoke_tokens(self.users[user])
        self.ended(lambda token: token.claims["sub"] == self.users[user])

    @rule(audience=st.sampled_from(AUDIENCES))
    def revoke_an_audience(self, audience: str) -> None:
        with self.deployment.changing() as work:
            work.revocations.revoke_audience(audience)
        self.ended(lambda token: token.claims["aud"] == audience)

    @rule(seconds=st.sampled_from([2, 120, 600]))
    def time_passes(self, seconds: int) -> None:
        self.deployment.wait(timedelta(seconds=seconds))

    def ended(self, concerned: Any) -> None:
        """Tokens that are concerned have ended, and so have those that began with one of them.

        Then time passes: what is issued in the same second may be revoked as well.
        """
        self.deployment.services.tokens.changes.poll()
        for token in self.tokens:
            token.has_ended |= any(concerned(each) or each.has_ended for each in token.chain)
        self.deployment.wait(timedelta(seconds=3))

    @invariant()
    def what_has_ended_is_refused_by_verifiers(self) -> None:
        if not getattr(self, "tokens", None):
            return
        feed, now = Feed.of(self.deployment.http), self.deployment.clock().timestamp()
        for token in self.tokens:
            if token.claims["exp"] > now:
                assert feed.refuses(token.text) == token.has_ended, token


@pytest.mark.slow
@pytest.mark.parametrize("more_settings", [{"rate_limit_passwords": "off"}])
@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_nobody_gains_by_any_sequence(deployment: Deployment, token_endpoint: TokenDriver):
    for audience in AUDIENCES[1:]:
        deployment.audience(audience)
    for name, scopes in ROLES.items():
        deployment.role(name, scopes)
    everywhere = {"audiences": list(AUDIENCES), "roles": ["runner", "reader"]}
    clients = {"app": deployment.client("app", grant_types=["password"], **everywhere)}
    for name in ACTORS:
        clients[name] = deployment.client(name, grant_types=[EXCHANGE], **everywhere)
    users = {name: deployment.user(name, roles=["runner", "reader"]) for name in ("alice", "bob")}
    of_here = {
        "deployment": deployment,
        "endpoint": token_endpoint,
        "clients": clients,
        "users": users,
    }
    machine = type("ExchangingInThisDeployment", (AnySequence,), of_here)
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=25,
            stateful_step_count=30,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
