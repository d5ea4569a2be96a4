"""Enterprise-Managed Authorization: ID-JAGs by the JWT bearer grant (RFC 7523 §2.1).

draft-ietf-oauth-identity-assertion-authz-grant-03.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from issuer.errors import InvalidField
from issuer.roles import Assignment
from tests.builders import URL, Credentials, Deployment
from tests.drivers import TokenAnswer, TokenDriver
from tests.oauth.asserting import new_key, why_refused
from tests.oauth.exchanging import EXCHANGE, exchange
from tests.oauth.refreshing import events
from tests.people_of_others import COMPANY, JWT_BEARER, Company, company
from tests.rows import rows
from tests.trusting import OtherIssuer

CANNOT_BE_USED = {"error": "invalid_grant", "error_description": "The assertion cannot be used."}
MCP = "https://os.example/mcp"


@dataclass(frozen=True)
class PresentingAgent:
    """A client that may present ID-JAGs of the company; alice is linked."""

    company: Company
    endpoint: TokenDriver
    client: Credentials
    alice: str
    deployment: Deployment = field(repr=False)

    def ask(self, assertion: str, **parameters: str) -> TokenAnswer:
        return self.endpoint.post(
            data={"grant_type": JWT_BEARER, "assertion": assertion, **parameters},
            auth=(self.client.client_id, self.client.client_secret),
        )

    def present(self, header: Any = None, **changed: Any) -> TokenAnswer:
        """A new ID-JAG, valid but for what is `changed`."""
        changed = {"subject": "s-alice", **changed}
        return self.ask(self.company.id_jag(self.client.client_id, header=header, **changed))


@pytest.fixture
def agent(deployment: Deployment, token_endpoint: TokenDriver) -> PresentingAgent:
    with deployment.changing() as work:
        work.audiences.update("my-os", {"resources": [MCP]})
    deployment.audience("other-os")
    deployment.role("runner", ["agents:run", "teams:run"])
    client = deployment.client(
        "agent", grant_types=[JWT_BEARER], audiences=["my-os", URL], user_rights="all"
    )
    alice = deployment.user("alice", roles=["runner"])
    here = company(deployment, id_jag=True)
    here.link(alice)
    return PresentingAgent(here, token_endpoint, client, alice, deployment)


def test_an_id_jag_gives_an_access_token_of_the_person(agent: PresentingAgent):
    """No refresh token: the client asks the trusted issuer again (§4.4.3 of the draft)."""
    answer = agent.present(resource=MCP)
    assert answer.status == 200, answer.body
    assert {**answer.body, "access_token": ""} == {
        "access_token": "",
        "token_type": "Bearer",
        "expires_in": 900,
        "scope": "agents:run teams:run",
    }
    header, claims = agent.endpoint.read(answer)
    assert header["typ"] == "at+jwt"
    assert (claims["sub"], claims["aud"], claims["client_id"]) == (agent.alice, "my-os", "agent")
    assert claims["scopes"] == ["agents:run", "teams:run"]
    assert "sid" not in claims


def test_the_audit_event_names_issuer_subject_and_id_jag(agent: PresentingAgent):
    agent.present(jti="jag-77")
    issued = events(agent.deployment, "token.issued")[-1]
    assert (issued.actor, issued.target) == ("agent", agent.alice)
    assert issued.details["grant_type"] == JWT_BEARER
    assert issued.details["id_jag"] == {"issuer": "company", "subject": "s-alice", "jti": "jag-77"}
    assert str(issued.details["identity"]).startswith("idn_")


def test_the_metadata_names_the_grant_and_its_profile(agent: PresentingAgent):
    """§7.2 of the draft."""
    described = agent.endpoint.http.get("/.well-known/oauth-authorization-server").json()
    assert JWT_BEARER in described["grant_types_supported"]
    profiles = described["authorization_grant_profiles_supported"]
    assert profiles == ["urn:ietf:params:oauth:grant-profile:id-jag"]


@rows(
    ("changed", "reason"),
    [
        ({"iss": "https://login.attacker.example"}, "iss is no trusted issuer"),
        ({"iss": None}, "iss is no trusted issuer"),
        ({"aud": "https://other.example"}, "aud is not this issuer alone"),
        ({"aud": [URL, "https://other.example"]}, "aud is not this issuer alone"),
        ({"aud": f"{URL}/"}, "aud is not this issuer alone"),
        ({"aud": None}, "aud is not this issuer alone"),
        ({"client_id": "other"}, "client_id is another client"),
        ({"client_id": None}, "client_id is another client"),
        ({"client_id": ["agent"]}, "client_id is another client"),
        ({"cnf": {"jkt": "a"}}, "bound to a key by cnf"),
        ({"exp": None}, "exp is missing"),
        ({"iat": None}, "iat is missing"),
        ({"jti": None}, "jti is not a text"),
        ({"jti": ""}, "jti is not a text"),
        ({"jti": "j" * 256}, "jti is not a text"),
        ({"authorization_details": []}, "it has authorization_details"),
        ({"tenant": "t-1"}, "tenant is no required claim"),
        ({"resource": {"uri": MCP}}, "resource is neither a text nor an array"),
        ({"resource": [MCP, 7]}, "resource is neither a text nor an array"),
        ({"scope": ["agents:run"]}, "scope is not a text"),
        ({"scope": "a:b " * 600}, "scope is not a text"),
        ({"subject": "s-nobody"}, "no user is linked"),
        ({"sub": None}, "sub is not a text"),
        ({"sub": 7}, "sub is not a text"),
        ({"header": {"typ": "JWT"}}, "typ is not that of an ID-JAG"),
        ({"header": {"typ": "at+jwt"}}, "typ is not that of an ID-JAG"),
        ({"header": {"typ": None}}, "typ is not that of an ID-JAG"),
        ({"header": {"crit": ["exp"]}}, "not a JWT"),
        ({"header": {"kid": "other"}}, "no key of this kid"),
    ],
)
def test_what_is_wrong_is_one_answer_and_an_audited_reason(
    agent: PresentingAgent, changed: dict[str, Any], reason: str
):
    refused = agent.present(**changed)
    assert (refused.status, refused.body) == (400, CANNOT_BE_USED)
    assert reason in why_refused(agent.deployment)


def test_times_are_bounded(agent: PresentingAgent):
    now = int(agent.deployment.clock().timestamp())
    for changed, reason in (
        ({"iat": now - 400, "exp": now - 1}, "expired"),
        ({"iat": now, "exp": now + 301}, "more than 5 minutes"),
        ({"iat": now - 300, "exp": now + 60}, "more than 5 minutes"),
        ({"iat": now + 60, "exp": now + 120}, "iat is in the future"),
        ({"nbf": now + 60}, "nbf is in the future"),
    ):
        assert agent.present(**changed).body == CANNOT_BE_USED
        assert reason in why_refused(agent.deployment)
    assert agent.present(iat=now - 240, exp=now + 60).status == 200


@rows("text", ["a", "a.b.c", "e30.e30.e30", "x" * 15_000, "é"])
def test_what_is_no_token_is_refused_alike(agent: PresentingAgent, text: str):
    assert agent.ask(text).body == CANNOT_BE_USED


def test_without_an_assertion_the_request_is_invalid(agent: PresentingAgent):
    refused = agent.endpoint.post(
        data={"grant_type": JWT_BEARER},
        auth=(agent.client.client_id, agent.client.client_secret),
    )
    assert (refused.error, refused.status) == ("invalid_request", 400)


def test_a_signature_of_another_key_is_refused(agent: PresentingAgent):
    forged = OtherIssuer(COMPANY, "ES256", key=new_key("ES256"))
    assertion = Company(agent.deployment, forged).id_jag("agent")
    assert agent.ask(assertion).body == CANNOT_BE_USED
    assert "signature" in why_refused(agent.deployment)


class TestResource:
    def test_it_is_an_audience_or_one_of_its_resources(self, agent: PresentingAgent):
        for resource in ("my-os", MCP, f"{MCP}/", [MCP], [MCP, "my-os"]):
            assert agent.endpoint.claims(agent.present(resource=resource))["aud"] == "my-os"

    @rows(
        "resource",
        [
            *("other-os", "unknown", "https://os.example", "", None, URL),
            *([], [MCP, URL], [MCP, "unknown"]),
        ],
    )
    def test_anything_else_is_an_invalid_target(self, agent: PresentingAgent, resource: Any):
        """Another AgentOS, or the issuer itself: rights here need a person at a browser."""
        assert agent.present(resource=resource).error == "invalid_target"

    def test_the_request_may_name_only_the_same(self, agent: PresentingAgent):
        jag = agent.company.id_jag
        assert agent.ask(jag("agent"), resource=MCP).status == 200
        assert agent.ask(jag("agent"), audience="my-os", resource=MCP).status == 200
        for named in ({"audience": "other-os"}, {"resource": URL}):
            assert agent.ask(jag("agent"), **named).error == "invalid_target"

    def test_a_wrong_resource_uses_up_nothing_and_provisions_nobody(self, agent: PresentingAgent):
        agent.company.change(sign_in={"provision": True})
        refused = agent.present(resource="other-os", subject="s-bob", preferred_username="bob")
        assert refused.error == "invalid_target"
        assert events(agent.deployment, "user.created")[-1].target == agent.alice


class TestScopes:
    def test_they_are_met_with_those_of_the_id_jag(self, agent: PresentingAgent):
        assert agent.present(scope="agents:web:run keys:write").scope == {"agents:web:run"}
        assert agent.present(scope="").scope == set()
        assert agent.present(scope='a"b \\ agents:run:x:y').scope == set()
        assert agent.present(scope=None).scope == {"agents:run", "teams:run"}

    def test_they_are_met_with_what_the_client_holds(self, agent: PresentingAgent):
        with agent.deployment.changing() as work:
            work.clients.update("agent", {"user_rights": "own", "scopes": ["agents:web:run"]})
        assert agent.present().scope == {"agents:web:run"}

    def test_the_request_may_ask_for_less_and_never_for_more(self, agent: PresentingAgent):
        jag = agent.company.id_jag
        asked = agent.ask(jag("agent", scope="agents:run"), scope="agents:web:run")
        assert asked.scope == {"agents:web:run"}
        refused = agent.ask(jag("agent", scope="agents:run"), scope="teams:run")
        assert refused.error == "invalid_scope"
        assert agent.ask(jag("agent"), scope="openid").scope == {"agents:run", "teams:run"}


class TestOnce:
    def test_an_id_jag_is_used_once(self, agent: PresentingAgent):
        assertion = agent.company.id_jag("agent")
        assert agent.ask(assertion).status == 200
        assert agent.ask(assertion).body == CANNOT_BE_USED
        assert "used before" in why_refused(agent.deployment)

    def test_so_is_its_jti_whatever_else_the_next_one_says(self, agent: PresentingAgent):
        assert agent.present(jti="jag-1").status == 200
        assert agent.present(jti="jag-1", scope="agents:run").body == CANNOT_BE_USED

    def test_of_many_uses_at_once_one_gets_a_token(self, agent: PresentingAgent):
        assertion = agent.company.id_jag("agent")
        with ThreadPoolExecutor(16) as pool:
            answers = [*pool.map(agent.ask, [assertion] * 64)]
        assert sorted(each.status for each in answers) == [200] + [400] * 63

    def test_a_request_that_has_to_wait_uses_it_once(self, agent: PresentingAgent):
        """A lost group revokes the tokens of this second, so the new one comes in the next."""
        agent.deployment.role("more", ["sessions:read"])
        mapped = {"group": "more", "role": "more", "audience": "my-os"}
        agent.company.change(sign_in={"roles": [mapped]})
        assert "sessions:read" in agent.present(groups=["more"]).scope
        narrower = agent.present(groups=[])
        assert (narrower.status, narrower.scope) == (200, {"agents:run", "teams:run"})


class TestClients:
    def test_a_client_without_the_grant_is_refused(self, agent: PresentingAgent):
        other = agent.deployment.client("other", scopes=["agents:run"])
        refused = agent.endpoint.post(
            data={"grant_type": JWT_BEARER, "assertion": agent.company.id_jag("other")},
            auth=(other.client_id, other.client_secret),
        )
        assert refused.error == "unauthorized_client"

    def test_a_public_client_cannot_have_it(self, agent: PresentingAgent):
        with pytest.raises(InvalidField, match="none is for clients"):
            agent.deployment.client(
                "app",
                token_endpoint_auth_method="none",
                grant_types=["authorization_code", JWT_BEARER],
                redirect_uris=["https://app.example/callback"],
            )

    def test_an_id_jag_does_not_authenticate_a_client(self, agent: PresentingAgent):
        """It is a grant. A trust that would fit it refuses it by its type (RFC 8725 §3.11)."""
        with agent.deployment.changing() as work:
            work.trusted_issuers.update("company", {"kinds": ["people", "workload"]})
            trust = {"issuer": "company", "subject": "s-alice"}
            work.clients.update("agent", {"trusts": [trust], "grant_types": ["client_credentials"]})
        refused = agent.endpoint.post(
            data={
                "grant_type": "client_credentials",
                "client_id": "agent",
                "client_assertion": agent.company.id_jag("agent"),
                "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            }
        )
        assert refused.error == "invalid_client"
        assert "ID-JAG by its typ" in why_refused(agent.deployment)


class TestIssuers:
    def test_one_that_may_not_send_id_jags_is_refused(self, agent: PresentingAgent):
        agent.company.change(sign_in={"id_jag": False})
        assert agent.present().body == CANNOT_BE_USED

    def test_a_disabled_one_is_refused(self, agent: PresentingAgent):
        agent.company.change(disabled=True)
        assert agent.present().body == CANNOT_BE_USED
        agent.company.change(disabled=False)
        assert agent.present().status == 200

    def test_keys_that_were_replaced_count_no_more(self, agent: PresentingAgent):
        new = OtherIssuer.new(COMPANY, "ES256")
        agent.company.change(keys={"jwks": new.jwks})
        assert agent.present().body == CANNOT_BE_USED
        assert agent.ask(Company(agent.deployment, new).id_jag("agent")).status == 200


class TestPeople:
    def test_a_new_person_is_provisioned_where_that_is_allowed(self, agent: PresentingAgent):
        assert agent.present(subject="s-bob").body == CANNOT_BE_USED
        agent.company.change(sign_in={"provision": True})
        answer = agent.present(subject="s-bob", preferred_username="bob")
        assert (answer.status, answer.scope) == (200, set())
        sub = agent.endpoint.claims(answer)["sub"]
        provisioned = events(agent.deployment, "identity.provisioned")[-1]
        assert (provisioned.target, provisioned.actor) == (sub, "agent")

    def test_required_claims_are_required_here_too(self, agent: PresentingAgent):
        agent.company.change(sign_in={"required_claims": {"department": "it"}})
        assert agent.present().body == CANNOT_BE_USED
        assert agent.present(department="it").status == 200

    def test_one_tenant_counts_where_it_is_required(self, agent: PresentingAgent):
        """Two tenants of one issuer may have the same `sub` (§6.3 of the draft)."""
        agent.company.change(sign_in={"required_claims": {"tenant": "t-1"}})
        assert agent.present(tenant="t-1").status == 200
        assert agent.present(tenant="t-2").body == CANNOT_BE_USED

    def test_an_id_jag_that_says_nothing_of_groups_leaves_them(self, agent: PresentingAgent):
        """Few issuers put them there; the last sign-in said which they are."""
        agent.deployment.role("more", ["sessions:read"])
        mapped = {"group": "more", "role": "more", "audience": "my-os"}
        agent.company.change(sign_in={"roles": [mapped]})
        agent.company.arrive(groups=["more"])
        assert "sessions:read" in agent.present().scope

    def test_an_id_jag_without_an_address_leaves_name_and_address(self, agent: PresentingAgent):
        """Another address replaces the one from before."""
        agent.company.change(sign_in={"provision": True})
        user_id = agent.company.arrive("s-carol", preferred_username="carol", name="Carol").user.id
        for said, expected in (
            ({}, ("Carol", "alice@company.example", True)),
            ({"email": "carol@new.example"}, ("Carol", "carol@new.example", False)),
        ):
            agent.present(subject="s-carol", **said)
            with agent.deployment.services.administration.reading() as work:
                user = work.users.get(user_id)
            assert (user.name, user.email, user.email_verified) == expected

    def test_a_disabled_user_gets_none_and_the_tokens_end(self, agent: PresentingAgent):
        token = agent.present().token
        with agent.deployment.changing() as work:
            work.users.update(agent.alice, {"disabled": True})
        assert agent.present().body == CANNOT_BE_USED
        agent.deployment.wait(timedelta(seconds=2))
        assert agent.endpoint.introspect(agent.client, token) == {"active": False}

    def test_unlinking_and_disabling_the_issuer_end_the_tokens(self, agent: PresentingAgent):
        for end in (self._unlink, lambda agent: agent.company.change(disabled=True)):
            token = agent.present().token
            end(agent)
            agent.deployment.wait(timedelta(seconds=2))
            assert agent.endpoint.introspect(agent.client, token) == {"active": False}

    @staticmethod
    def _unlink(agent: PresentingAgent) -> None:
        with agent.deployment.changing() as work:
            (identity,) = work.identities.of_user(agent.alice)
            work.identities.unlink(agent.alice, identity.id)
        agent.company.link(agent.alice)

    def test_a_right_that_ends_is_in_no_later_token(self, agent: PresentingAgent):
        with agent.deployment.changing() as work:
            work.assignments.unassign(agent.alice, Assignment(role="runner"))
        assert agent.present().scope == set()


# Acting for the person


def test_a_client_acts_with_the_token_by_the_rule_of_an_administrator(agent: PresentingAgent):
    """No page could ask the person: the exchange needs `may_act` alone, until alice stops it."""
    acting = agent.deployment.client(
        "acting",
        grant_types=[EXCHANGE],
        audiences=["other-os"],
        user_rights="all",
        may_act=[{"from": "my-os", "to": "other-os"}],
    )
    token = agent.present().token
    answer = exchange(agent.endpoint, acting, token)
    assert answer.status == 200, answer.body
    claims = agent.endpoint.claims(answer)
    assert (claims["sub"], claims["aud"], claims["act"]) == (
        agent.alice,
        "other-os",
        {"sub": "acting"},
    )
    with agent.deployment.changing() as work:
        (acts,) = work.delegations.of_user(agent.alice)
        assert (acts.client_id, acts.from_client) == ("acting", "agent")
        work.delegations.end(agent.alice, "acting")
    agent.deployment.clock.move(timedelta(seconds=3))
    refused = exchange(agent.endpoint, acting, agent.present().token)
    assert refused.error == "invalid_target"


def test_where_the_client_has_a_page_as_well_the_person_is_asked(agent: PresentingAgent):
    """A token does not say which grant gave it, and the person may have withdrawn the consent."""
    acting = agent.deployment.client(
        "acting",
        grant_types=[EXCHANGE],
        audiences=["other-os"],
        user_rights="all",
        may_act=[{"from": "my-os", "to": "other-os"}],
    )
    with agent.deployment.changing() as work:
        fields = {
            "grant_types": [JWT_BEARER, "authorization_code"],
            "redirect_uris": ["https://a.example/callback"],
        }
        work.clients.update("agent", fields)
    refused = exchange(agent.endpoint, acting, agent.present().token)
    assert refused.error == "invalid_target"


def test_where_another_issuer_is_the_only_way_to_sign_in_an_id_jag_gives_nothing(
    agent: PresentingAgent,
):
    """But for administrators, as in a browser."""
    only = company(
        agent.deployment, OtherIssuer.new("https://only.example", "ES256"), "only", only=True
    )
    assert agent.present().error == "invalid_grant"
    assert why_refused(agent.deployment).endswith("people sign in at only alone")
    agent.deployment.role("boss", ["issuer:admin"])
    with agent.deployment.changing() as work:
        work.assignments.assign(agent.alice, Assignment(role="boss", audience=URL))
        work.identities.link(agent.alice, "company", "s-boss", "", work.authority.grantor)
    agent.deployment.wait(timedelta(seconds=1))  # new rights have ended what was issued before
    assert agent.present(subject="s-boss").status == 200
    with agent.deployment.changing() as work:
        work.assignments.unassign(agent.alice, Assignment(role="boss", audience=URL))
    only.change(disabled=True)
    assert agent.present(subject="s-boss").status == 200


def test_an_id_jag_of_before_all_access_was_ended_gives_nothing(agent: PresentingAgent):
    """Whoever is signed out everywhere is not let in by what the issuer said before."""
    issued_before = agent.company.id_jag(agent.client.client_id)
    agent.deployment.wait(timedelta(minutes=1))
    with agent.deployment.changing() as work:
        work.users.revoke_tokens(agent.alice)
    agent.deployment.wait(timedelta(seconds=1))
    assert agent.ask(issued_before).error == "invalid_grant"
    assert "was ended since it was issued" in why_refused(agent.deployment)
    assert agent.present().status == 200
