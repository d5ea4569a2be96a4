"""Whoever refreshes may be killed before anything lasting that it does (DESIGN §7)."""

from collections.abc import Iterator
from functools import partial
from itertools import count

import pytest
from authlib.oauth2 import OAuth2Error

from issuer.audit import Actor
from issuer.composition import compose
from issuer.oauth import IssuerAuthorizationServer
from issuer.oauth.audit_events import issue_of
from issuer.oauth.request import AuthenticatedRequest, ParsedRequest, ReceivedForm
from issuer.settings import Settings
from tests.builders import Credentials, Deployment, FakeClock
from tests.drivers import TokenEndpoint
from tests.killing import killed
from tests.oauth.refreshing import SignedIn, events, families, revoked_families, sign_in


@pytest.fixture
def alice(deployment: Deployment, token_endpoint: TokenEndpoint) -> SignedIn:
    return sign_in(deployment, token_endpoint)


def refresh(settings: Settings, clock: FakeClock, client: Credentials, token: str) -> None:
    """What a worker of the server does, in a process of its own."""
    services = compose(settings, clock)
    form = {
        "grant_type": "refresh_token",
        "refresh_token": token,
        "client_id": client.client_id,
        "client_secret": client.client_secret,
    }
    authenticated = services.tokens.client_authentication.from_database(
        client.client_id, client.client_secret, clock()
    )
    request = AuthenticatedRequest(
        ParsedRequest(ReceivedForm([], b"", Actor()), form),
        authenticated.record,
        authenticated.secret,
    )
    services.keys.keyring.tidy()
    services.keys.keyring.put_in_order()
    try:
        granted = IssuerAuthorizationServer(services).authorize(request)
    except OAuth2Error:  # a token that was used before ends its family
        return
    access_token = services.tokens.issuer.issue(granted.authorization, clock())
    granted.store_refresh_token(issue_of(granted, access_token, request.actor))


def kills(alice: SignedIn, token: str) -> Iterator[str]:
    """Kill it before each thing that lasts; at the end it is done."""
    settings, clock = alice.deployment.services.settings, alice.deployment.clock
    for before in count():
        step = killed(partial(refresh, settings, clock, alice.client, token), before)
        if step is None:
            return
        yield step


def test_killed_while_refreshing_the_token_is_used_or_it_is_not(alice: SignedIn):
    before = len(events(alice.deployment, "token.issued"))
    for _ in kills(alice, alice.answer.refresh_token):
        assert alice.introspect(alice.answer.refresh_token)["active"]
        assert len(events(alice.deployment, "token.issued")) == before
    assert not alice.introspect(alice.answer.refresh_token)["active"]
    assert len(events(alice.deployment, "token.issued")) == before + 1
    # Nobody got that answer: asking again is reuse, without a grace.
    assert alice.refresh().error == "invalid_grant"
    assert families(alice.deployment) == 0


def test_killed_while_ending_a_family_it_has_ended_or_it_has_not(alice: SignedIn):
    successor = alice.refresh()
    for _ in kills(alice, alice.answer.refresh_token):
        assert families(alice.deployment) == 1
        assert not revoked_families(alice.deployment)
        assert not events(alice.deployment, "refresh.reused")
        assert alice.introspect(successor.token)["active"]
    assert families(alice.deployment) == 0
    assert len(revoked_families(alice.deployment)) == 1
    assert len(events(alice.deployment, "refresh.reused")) == 1
