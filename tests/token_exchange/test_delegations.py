"""Which clients act for a user now, and ending that."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from issuer.database.tables import StoppedActorRow
from issuer.errors import NotFound
from issuer.sign_in.authorization_request import ConsentNeeded
from tests.builders import Deployment
from tests.drivers import TokenDriver
from tests.oauth.exchanging import EXCHANGE, SCOPES, Actors, actors, exchange
from tests.oauth.refreshing import events
from tests.sign_in.authorizing import CALLBACK, App, sign_in


@pytest.fixture
def acting(deployment: Deployment, token_endpoint: TokenDriver) -> Actors:
    return actors(deployment, token_endpoint)


AGENT = ("agent", "archive", "app", "my-os")
ARCHIVIST = ("archivist", "vault", "agent", "archive")
KEEPER = ("keeper", "my-os", "archivist", "vault")


def test_who_acts_is_listed_once_until_the_tokens_expire(acting: Actors):
    first = acting.sign_in().token
    acting.chain(first)
    acting.chain(first)
    assert acting.delegations() == [AGENT, ARCHIVIST, KEEPER]
    acting.deployment.wait(timedelta(minutes=15))
    assert acting.delegations() == []


def test_who_acts_with_revoked_tokens_is_not_listed(acting: Actors):
    acting.chain(acting.sign_in().token)
    with acting.deployment.changing() as work:
        work.clients.revoke_tokens("archivist")
    assert acting.delegations() == [AGENT]
    with acting.deployment.changing() as work:
        work.users.revoke_tokens(acting.user_id)
    assert acting.delegations() == []


def test_a_delegation_ends_with_what_followed_from_it(acting: Actors):
    first = acting.sign_in().token
    by_agent, by_archivist, by_keeper = acting.chain(first)
    with acting.deployment.changing() as work:
        work.delegations.end(acting.user_id, "archivist")
    assert [acting.accepted(each) for each in (first, by_agent, by_archivist, by_keeper)] == [
        True,
        True,
        False,
        False,
    ]
    assert acting.delegations() == [AGENT]
    (event,) = events(acting.deployment, "delegation.ended")
    assert (event.target, event.details) == (
        acting.user_id,
        {"client_id": "archivist", "access_tokens_revoked": True},
    )


def test_a_client_that_does_not_act_cannot_be_stopped(acting: Actors):
    with pytest.raises(NotFound), acting.deployment.changing() as work:
        work.delegations.end(acting.user_id, "agent")


def test_whoever_stops_a_client_is_asked_before_it_acts_again(acting: Actors):
    deployment = acting.deployment
    web = deployment.client(
        "web", scopes=SCOPES, grant_types=["authorization_code"], redirect_uris=[CALLBACK]
    )
    app = App(acting.endpoint, web)
    person = sign_in(deployment, acting.user_id)
    token = person.signs_in_to(app, resource="my-os").token
    assert acting.by_agent(token).status == 200
    with deployment.changing() as work:
        work.delegations.end(acting.user_id, "agent")
    assert acting.by_agent(token).error == "invalid_target"
    assert isinstance(person.next_step(app, resource="my-os"), ConsentNeeded)
    person.allows(app, resource="my-os")
    assert acting.by_agent(token).status == 200


def test_whoever_stops_a_client_stops_it_for_good_where_no_page_could_ask(acting: Actors):
    """The password grant has none. Other clients, and other people, are not concerned."""
    token, *_ = acting.sign_in().token, acting.deployment.user("bob", roles=["runner"])
    acting.by_agent(token)
    with acting.deployment.changing() as work:
        work.delegations.end(acting.user_id, "agent")
    acting.deployment.wait(timedelta(minutes=16))
    refused = acting.by_agent(acting.sign_in().token)
    assert (refused.error, acting.delegations()) == ("invalid_target", [])
    of_bob = acting.endpoint.password(acting.app, "bob").token
    assert acting.by_agent(of_bob).status == 200
    other = acting.deployment.client(
        "other-agent",
        scopes=SCOPES,
        audiences=["archive"],
        grant_types=[EXCHANGE],
        may_act=[{"from": "my-os", "to": "archive"}],
    )
    assert exchange(acting.endpoint, other, acting.sign_in().token).status == 200


def test_a_client_that_was_stopped_acts_again_once_the_user_allows_it_on_a_page(acting: Actors):
    """Also an application of the first party asks then, of which no page told before."""
    deployment = acting.deployment
    web = deployment.client(
        "web",
        scopes=SCOPES,
        grant_types=["authorization_code"],
        redirect_uris=[CALLBACK],
        first_party=True,
    )
    app, person = App(acting.endpoint, web), sign_in(deployment, acting.user_id)
    token = person.signs_in_to(app, resource="my-os").token
    assert acting.by_agent(token).status == 200
    with deployment.changing() as work:
        work.delegations.end(acting.user_id, "agent")
    deployment.clock.move(timedelta(seconds=3))
    assert acting.by_agent(token).error == "invalid_target"
    assert isinstance(person.next_step(app, resource="my-os"), ConsentNeeded)
    person.allows(app, resource="my-os")
    assert acting.by_agent(token).status == 200
    assert acting.by_agent(acting.sign_in().token).status == 200


def test_who_was_stopped_is_forgotten_with_the_client(acting: Actors):
    """A client that gets the id later is another one."""
    acting.by_agent(acting.sign_in().token)
    with acting.deployment.changing() as work:
        work.delegations.end(acting.user_id, "agent")
        work.clients.delete("agent")
    with acting.deployment.services.database.reading() as session:
        assert session.scalars(select(StoppedActorRow)).all() == []
