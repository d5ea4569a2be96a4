"""Withdrawing what a user allowed a client."""

import pytest
from sqlalchemy import update as update_rows

from issuer.database.tables import ConsentActorRow
from issuer.directory import ActingClient
from issuer.errors import NotFound
from issuer.sign_in.authorization_request import ConsentNeeded, Redirection
from issuer.sign_in.consents_store import ActingFor, check_may_act
from tests.builders import Deployment
from tests.interleaving import right_after
from tests.oauth.refreshing import events, revoked, revoked_families
from tests.sign_in.authorizing import BROWSER, App, Person, returned

DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
RULE = [{"from": "my-os", "to": "archive"}]


def withdraw(person: Person, client_id: str = "app") -> None:
    with person.deployment.changing() as work:
        work.consents.withdraw(person.user_id, client_id)


def test_the_consents_of_a_user_are_listed(alice: Person, app: App):
    alice.allows(app, scope="openid agents:run")
    alice.allows(app, scope="sessions:read")
    with alice.deployment.services.administration.reading() as work:
        (consent,) = work.consents.of_user(alice.user_id)
    assert (consent.client_id, consent.audience) == ("app", "my-os")
    assert consent.scopes == ("agents:run", "sessions:read")
    assert consent.openid_scopes == ("openid",)


def test_withdrawing_ends_the_clients_tokens_of_the_user(alice: Person, app: App, public_app: App):
    """And nothing else: one entry of the feed for each family."""
    answer = alice.signs_in_to(app, scope="openid offline_access")
    other = alice.allows(public_app)
    family = app.endpoint.claims(answer)["sid"]
    withdraw(alice)
    assert revoked_families(alice.deployment) == {family}
    assert app.refresh(answer.refresh_token).error == "invalid_grant"
    assert alice.deployment.services.people.codes.find(other).used_at is None
    assert isinstance(alice.next_step(app), ConsentNeeded)
    (event,) = events(alice.deployment, "consent.withdrawn")
    assert (event.target, event.details["client_id"]) == (alice.user_id, "app")
    assert event.details["families"] == 1


def test_withdrawing_ends_tokens_without_a_family_by_their_id(alice: Person, app: App):
    with alice.deployment.changing() as work:
        work.clients.update("app", {"grant_types": ["authorization_code"]})
    jti = app.endpoint.claims(alice.signs_in_to(app))["jti"]
    withdraw(alice)
    assert revoked(alice.deployment) == {jti}


def test_a_consent_that_is_withdrawn_meanwhile_gives_no_code(alice: Person, app: App):
    """Between the look at the consent and the code."""
    alice.allows(app)
    with right_after(alice.deployment, "FROM consents", lambda: withdraw(alice)):
        assert isinstance(alice.next_step(app), ConsentNeeded)
    alice.allows(app)
    with right_after(alice.deployment, "FROM consents", lambda: withdraw(alice)):
        refused = alice.next_step(app, prompt="none")
    assert returned(refused.url)["error"] == "consent_required"


def test_what_was_not_allowed_cannot_be_withdrawn(alice: Person, app: App):
    with pytest.raises(NotFound):
        withdraw(alice)


@pytest.fixture
def agents(deployment: Deployment) -> str:
    """A client that acts at archive for people whose token is for my-os."""
    deployment.audience("archive")
    may_act = [{"from": "my-os", "to": "archive"}]
    return deployment.client("agents", audiences=["archive"], may_act=may_act).client_id


def may_act(
    person: Person,
    app: App,
    client_id: str = "agents",
    at: str = "archive",
    scope: str = "",
    *,
    resource: str = "urn:mcp",
    there: str = "",
) -> bool:
    """Whether that client may act for the person with the token that the application has."""
    services = person.deployment.services
    client = services.tokens.directory.load_client(app.client.client_id)
    assert client is not None
    acting = ActingClient(client_id, at)
    if at.startswith("https:"):
        acting = ActingClient(client_id, at, True, resource, tuple(there.split()))
    with services.database.reading() as session:
        asked = ActingFor(person.user_id, client, "my-os", acting, frozenset(scope.split()))
        (is_allowed,) = check_may_act(session.connection(), [asked])
    return is_allowed


def test_a_client_acts_for_people_who_were_told(alice: Person, app: App, agents: str):
    assert not may_act(alice, app)
    step = alice.next_step(app)
    assert isinstance(step, ConsentNeeded)
    assert step.acting == (ActingClient("agents", "archive"),)
    alice.allows(app)
    assert may_act(alice, app)
    assert not may_act(alice, app, at="my-os")
    assert not may_act(alice, app, client_id="app")
    (event,) = events(alice.deployment, "consent.granted")
    assert event.details["acting"] == [
        {"client_id": "agents", "audience": "archive", "external": False}
    ]
    with alice.deployment.services.administration.reading() as work:
        (consent,) = work.consents.of_user(alice.user_id)
    (acting,) = consent.acting
    assert (acting.client_id, acting.audience, acting.external) == ("agents", "archive", False)
    assert (acting.resource, acting.scopes) == (None, ())


def test_a_client_that_begins_to_act_needs_consent_again(
    alice: Person, app: App, deployment: Deployment
):
    alice.allows(app)
    assert isinstance(alice.next_step(app), Redirection)
    deployment.audience("archive")
    rule = [{"from": "my-os", "to": "archive"}]
    deployment.client("agents", audiences=["archive"], may_act=rule)
    assert not may_act(alice, app)
    refused = alice.next_step(app, prompt="none")
    assert returned(refused.url)["error"] == "consent_required"
    assert isinstance(alice.next_step(app), ConsentNeeded)
    alice.allows(app)
    assert may_act(alice, app)
    assert isinstance(alice.next_step(app), Redirection)


def test_a_client_that_acts_through_another_one_needs_consent(
    alice: Person, app: App, agents: str, deployment: Deployment
):
    alice.allows(app)
    deployment.audience("vault")
    rule = [{"from": "archive", "to": "vault"}]
    deployment.client("archivist", audiences=["vault"], may_act=rule)
    assert isinstance(alice.next_step(app), ConsentNeeded)
    assert not may_act(alice, app, "archivist", "vault")
    alice.allows(app)
    assert may_act(alice, app, "archivist", "vault")


def test_what_the_page_did_not_tell_is_not_allowed(alice: Person, app: App, deployment: Deployment):
    """A client that begins to act while the page is open."""
    shown = alice.next_step(app)
    assert isinstance(shown, ConsentNeeded)
    deployment.audience("archive")
    rule = [{"from": "my-os", "to": "archive"}]
    deployment.client("agents", audiences=["archive"], may_act=rule)
    flow = deployment.services.people.flow
    assert isinstance(flow.allow(shown, alice.session, BROWSER), ConsentNeeded)
    assert not may_act(alice, app)


def test_a_client_that_is_deleted_meanwhile_does_not_act(
    alice: Person, app: App, agents: str, deployment: Deployment
):
    """Between the look at the rules and the code."""

    def delete() -> None:
        with deployment.changing() as work:
            work.clients.delete("agents")

    shown = alice.next_step(app)
    assert isinstance(shown, ConsentNeeded)
    assert shown.acting == (ActingClient("agents", "archive"),)
    with right_after(deployment, "FROM client_act_rules", delete):
        allowed = deployment.services.people.flow.allow(shown, alice.session, BROWSER)
    assert isinstance(allowed, Redirection)
    assert not may_act(alice, app)


@pytest.mark.parametrize("what", ["client", "audience"])
def test_an_id_used_again_does_not_act_for_those_who_allowed_the_old_one(
    alice: Person, app: App, agents: str, deployment: Deployment, what: str
):
    alice.allows(app)
    rule = [{"from": "my-os", "to": "archive"}]
    with deployment.changing() as work:
        if what == "client":
            work.clients.delete("agents")
        else:
            work.audiences.delete("archive", cascade=True)
    if what == "client":
        deployment.client("agents", audiences=["archive"], may_act=rule)
    else:
        deployment.audience("archive")
        with deployment.changing() as work:
            work.clients.update("agents", {"audiences": ["archive"], "may_act": rule})
    assert not may_act(alice, app)


def test_where_else_clients_act_is_allowed_as_well(
    alice: Person, app: App, agents: str, deployment: Deployment
):
    """At other authorization servers: the client of the application, and those that act."""
    external = {"resource": "urn:mcp", "client_id": "ours"}
    first, second = "https://first.example", "https://second.example"
    alice.allows(app)
    with deployment.changing() as work:
        work.clients.update("app", {"external_audiences": [{**external, "issuer": first}]})
        work.clients.update("agents", {"external_audiences": [{**external, "issuer": second}]})
    assert isinstance(alice.next_step(app), ConsentNeeded)
    assert not may_act(alice, app, "app", first)
    alice.allows(app)
    assert may_act(alice, app, "app", first)
    assert may_act(alice, app, "agents", second)
    assert not may_act(alice, app, "agents", first)


SAAS = "https://saas.example"


def at_saas(resource: str, *scopes: str) -> dict[str, object]:
    return {"issuer": SAAS, "resource": resource, "client_id": "ours", "scopes": [*scopes]}


def test_resources_and_scopes_elsewhere_that_are_added_need_consent(
    alice: Person, app: App, deployment: Deployment
):
    update(deployment, "app", external_audiences=[at_saas("urn:mcp", "read")])
    alice.allows(app)
    assert may_act(alice, app, "app", SAAS, there="read")
    for grown in (
        [at_saas("urn:mcp", "read", "write")],
        [at_saas("urn:mcp"), at_saas("urn:files")],
    ):
        update(deployment, "app", external_audiences=grown)
        assert isinstance(alice.next_step(app), ConsentNeeded)
    assert not may_act(alice, app, "app", SAAS, there="read write")
    assert not may_act(alice, app, "app", SAAS, resource="urn:files")
    update(deployment, "app", external_audiences=[at_saas("urn:mcp", "read", "write")])
    alice.allows(app)
    assert may_act(alice, app, "app", SAAS, there="read write")
    with deployment.services.administration.reading() as work:
        (consent,) = work.consents.of_user(alice.user_id)
    (acting,) = consent.acting
    assert (acting.resource, acting.scopes) == ("urn:mcp", ("read", "write"))
    assert events(deployment, "consent.granted")[-1].details["acting"] == [
        {
            "client_id": "app",
            "audience": SAAS,
            "external": True,
            "resource": "urn:mcp",
            "scopes": ["read", "write"],
        }
    ]


def test_scopes_elsewhere_that_are_taken_away_need_no_consent(
    alice: Person, app: App, deployment: Deployment
):
    both = [at_saas("urn:mcp", "read", "write"), at_saas("urn:files")]
    update(deployment, "app", external_audiences=both)
    alice.allows(app)
    update(deployment, "app", external_audiences=[at_saas("urn:mcp", "read")])
    assert isinstance(alice.next_step(app), Redirection)
    assert may_act(alice, app, "app", SAAS, there="read")


def test_a_page_that_named_no_resource_told_of_none(
    alice: Person, app: App, deployment: Deployment
):
    """As the program before the migration stored it."""
    update(deployment, "app", external_audiences=[at_saas("urn:mcp")])
    alice.allows(app)
    with deployment.services.database.transaction() as session:
        session.execute(
            update_rows(ConsentActorRow).values(external_resource=None, external_scopes=None)
        )
    assert not may_act(alice, app, "app", SAAS)
    assert isinstance(alice.next_step(app), ConsentNeeded)


def test_many_are_looked_up_together(alice: Person, app: App, public_app: App, agents: str):
    alice.allows(app)
    directory = alice.deployment.services.tokens.directory
    acting = ActingClient("agents", "archive")
    asked = [
        ActingFor(alice.user_id, client, audience, acting)
        for name in ("app", "public-app")
        for audience in ("my-os", "archive")
        if (client := directory.load_client(name)) is not None
    ]
    with alice.deployment.services.database.reading() as session:
        assert check_may_act(session.connection(), asked) == [True, False, False, False]
        assert check_may_act(session.connection(), []) == []


def test_a_withdrawn_consent_allows_nobody_to_act(alice: Person, app: App, agents: str):
    alice.allows(app)
    withdraw(alice)
    assert not may_act(alice, app)


def update(deployment: Deployment, client_id: str, **fields: object) -> None:
    with deployment.changing() as work:
        work.clients.update(client_id, fields)


def test_nobody_is_asked_for_the_first_party_or_by_the_password_grant(
    alice: Person, app: App, agents: str, deployment: Deployment
):
    update(deployment, "app", first_party=True)
    assert may_act(alice, app)
    update(deployment, "app", first_party=False, grant_types=["password"], redirect_uris=[])
    assert may_act(alice, app)


def test_withdrawing_lets_nobody_act_with_tokens_of_the_password_grant_either(
    alice: Person, app: App, agents: str, deployment: Deployment
):
    """If the client also has a grant that asks."""
    update(deployment, "app", grant_types=["authorization_code", "password"])
    alice.allows(app)
    assert may_act(alice, app)
    withdraw(alice)
    assert not may_act(alice, app)
    update(deployment, "app", grant_types=[DEVICE, "password"], redirect_uris=[])
    assert not may_act(alice, app)


def test_who_acts_is_what_the_last_page_told(
    alice: Person, app: App, agents: str, deployment: Deployment
):
    """A rule that is removed and added again needs consent for what was allowed between."""
    alice.allows(app, scope="sessions:read")
    assert may_act(alice, app)
    update(deployment, "agents", may_act=[])
    alice.allows(app, scope="agents:run")
    update(deployment, "agents", may_act=RULE)
    assert not may_act(alice, app)
    step = alice.next_step(app, scope="agents:run")
    assert isinstance(step, ConsentNeeded)
    assert step.acting == (ActingClient("agents", "archive"),)


def test_what_was_allowed_before_a_client_acted_is_asked_about_again(
    alice: Person, app: App, deployment: Deployment
):
    """No page told of it together with that client."""
    alice.allows(app, scope="agents:run")
    deployment.audience("archive")
    deployment.client("agents", audiences=["archive"], may_act=RULE)
    alice.allows(app, scope="sessions:read")
    assert isinstance(alice.next_step(app, scope="agents:run"), ConsentNeeded)
    assert isinstance(alice.next_step(app, scope="sessions:read"), Redirection)


def test_a_client_acts_only_with_scopes_of_which_a_page_told_together_with_it(
    alice: Person, app: App, deployment: Deployment
):
    """A token that was got before that page may have more."""
    alice.allows(app, scope="agents:run")
    deployment.audience("archive")
    deployment.client("agents", audiences=["archive"], may_act=RULE)
    alice.allows(app, scope="sessions:read")
    assert may_act(alice, app, scope="sessions:read")
    assert not may_act(alice, app, scope="sessions:read agents:run")
    alice.allows(app, scope="agents:run")
    assert may_act(alice, app, scope="sessions:read agents:web:run")


def test_a_rule_that_is_removed_needs_no_consent(
    alice: Person, app: App, agents: str, deployment: Deployment
):
    alice.allows(app)
    update(deployment, "agents", may_act=[])
    assert isinstance(alice.next_step(app), Redirection)
    update(deployment, "agents", may_act=RULE)
    assert may_act(alice, app)
    assert isinstance(alice.next_step(app), Redirection)


def test_whoever_was_asked_for_the_first_party_is_asked_about_clients_that_act_later(
    alice: Person, app: App, deployment: Deployment
):
    """As where the answer goes to a program, which is always asked about."""
    update(deployment, "app", first_party=True)
    assert isinstance(alice.next_step(app), Redirection)
    alice.allows(app, prompt="consent")
    assert isinstance(alice.next_step(app), Redirection)
    deployment.audience("archive")
    deployment.client("agents", audiences=["archive"], may_act=RULE)
    assert not may_act(alice, app)
    refused = alice.next_step(app, prompt="none")
    assert returned(refused.url)["error"] == "consent_required"
    alice.allows(app)
    assert may_act(alice, app)
    assert isinstance(alice.next_step(app), Redirection)


def test_whoever_was_asked_decides_also_for_a_client_with_the_password_grant(
    alice: Person, app: App, deployment: Deployment
):
    alice.allows(app)
    deployment.audience("archive")
    rule = [{"from": "my-os", "to": "archive"}]
    deployment.client("agents", audiences=["archive"], may_act=rule)
    with deployment.changing() as work:
        grants = ["authorization_code", "refresh_token", "password"]
        work.clients.update("app", {"grant_types": grants})
    assert not may_act(alice, app)


@pytest.mark.parametrize("what", ["client", "audience", "user"])
def test_consents_do_not_outlast_what_they_are_about(alice: Person, app: App, what: str):
    """An id that was deleted may be used again, and brings nothing back."""
    alice.allows(app)
    with alice.deployment.changing() as work:
        if what == "client":
            work.clients.delete("app")
        elif what == "audience":
            work.audiences.delete("my-os", cascade=True)
        else:
            work.users.delete(alice.user_id)
        assert work.consents.of_user(alice.user_id) == []
