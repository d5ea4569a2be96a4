"""A process that refreshes may be killed before each durable step."""

import asyncio
from collections.abc import Iterator
from functools import partial
from itertools import count

import pytest

from issuer.audit import Actor
from issuer.composition import compose
from issuer.oauth import IssuerAuthorizationServer
from issuer.oauth.messages import AuthenticatedRequest, OAuthError, ParsedRequest, ReceivedForm
from issuer.oauth.token_endpoint import issued_details
from issuer.refresh_tokens import TokenToStore
from issuer.settings import Settings
from tests.builders import Credentials, Deployment, FakeClock
from tests.drivers import TokenDriver
from tests.killing import killed
from tests.oauth.refreshing import SignedIn, events, families, revoked_families, sign_in


@pytest.fixture
def alice(deployment: Deployment, token_endpoint: TokenDriver) -> SignedIn:
    return sign_in(deployment, token_endpoint)


def refresh(settings: Settings, clock: FakeClock, client: Credentials, token: str) -> None:
    """The steps of a worker of the server, in a separate process."""
    services = compose(settings, clock)
    form = {
        "grant_type": "refresh_token",
        "refresh_token": token,
        "client_id": client.client_id,
        "client_secret": client.client_secret,
    }
    authenticated = services.tokens.client_authentication.from_database(
        client.client_id, client.client_secret, clock(), is_last=True
    )
    request = AuthenticatedRequest(
        ParsedRequest(ReceivedForm([], b"", Actor()), form),
        authenticated.record,
        authenticated.secret,
    )
    services.keys.keyring.cleanup()
    services.keys.keyring.reconcile()
    try:
        granted = IssuerAuthorizationServer(services.protocol).authorize(request)
    except OAuthError:  # reuse of a token ends its family
        return
    access_token = services.tokens.issuer.issue(granted.authorization, clock())
    issue = TokenToStore(access_token, request.actor, issued_details(granted, access_token))
    services.tokens.refresh_tokens.writer.start()
    asyncio.run(granted.store_together(issue))


def kills(alice: SignedIn, token: str) -> Iterator[str]:
    """Kill the process before each durable step, until it runs to its end."""
    settings, clock = alice.deployment.services.settings, alice.deployment.clock
    for before in count():
        step = killed(partial(refresh, settings, clock, alice.client, token), before)
        if step is None:
            return
        yield step


def test_a_refresh_that_is_killed_is_done_completely_or_not_at_all(alice: SignedIn):
    before = len(events(alice.deployment, "token.issued"))
    for _ in kills(alice, alice.answer.refresh_token):
        assert alice.introspect(alice.answer.refresh_token)["active"]
        assert len(events(alice.deployment, "token.issued")) == before
    assert not alice.introspect(alice.answer.refresh_token)["active"]
    assert len(events(alice.deployment, "token.issued")) == before + 1
    # The response was lost: without a grace period, repeating the request is reuse.
    assert alice.refresh().error == "invalid_grant"
    assert families(alice.deployment) == 0


def test_ending_a_family_that_is_killed_is_done_completely_or_not_at_all(alice: SignedIn):
    successor = alice.refresh()
    for _ in kills(alice, alice.answer.refresh_token):
        assert families(alice.deployment) == 1
        assert not revoked_families(alice.deployment)
        assert not events(alice.deployment, "refresh.reused")
        assert alice.introspect(successor.token)["active"]
    assert families(alice.deployment) == 0
    assert len(revoked_families(alice.deployment)) == 1
    assert len(events(alice.deployment, "refresh.reused")) == 1
