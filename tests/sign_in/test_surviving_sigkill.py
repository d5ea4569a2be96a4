"""A process that signs a person in may be killed before each durable step."""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import count

import pytest

from issuer.audit import Actor
from issuer.composition import Composition, compose
from issuer.oauth import IssuerAuthorizationServer
from issuer.oauth.messages import AuthenticatedRequest, OAuthError, ParsedRequest, ReceivedForm
from issuer.oauth.token_endpoint import issued_details
from issuer.refresh_tokens import TokenToStore
from issuer.settings import Settings
from issuer.sign_in.authorization_request import ConsentNeeded
from tests.builders import FakeClock
from tests.killing import killed
from tests.oauth.refreshing import events, families, revoked_families
from tests.sign_in.authorizing import BROWSER, CALLBACK, VERIFIER, App, Person


def composed(settings: Settings, clock: FakeClock) -> Composition:
    services = compose(settings, clock)
    services.keys.keyring.cleanup()
    services.keys.keyring.reconcile()
    return services


def redeem(settings: Settings, clock: FakeClock, app: App, code: str) -> None:
    """The steps of a worker of the server, in a separate process."""
    services = composed(settings, clock)
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": CALLBACK,
        "code_verifier": VERIFIER,
    }
    client = services.tokens.client_authentication.from_database(
        app.client.client_id, app.client.client_secret, clock(), is_last=True
    )
    request = AuthenticatedRequest(
        ParsedRequest(ReceivedForm([], b"", Actor()), form), client.record, client.secret
    )
    try:
        granted = IssuerAuthorizationServer(services.protocol).authorize(request)
    except OAuthError:  # a code that is used again revokes what it gave
        return
    access_token = services.tokens.issuer.issue(granted.authorization, clock())
    granted.store(TokenToStore(access_token, request.actor, issued_details(granted, access_token)))


def kills(person: Person, work: Callable[[Settings, FakeClock], object]) -> Iterator[str]:
    """Kill the process before each durable step, until it runs to its end."""
    services = person.deployment.services
    for before in count():
        step = killed(partial(work, services.settings, person.deployment.clock), before)
        if step is None:
            return
        yield step


@pytest.fixture
def code(alice: Person, app: App) -> str:
    return alice.allows(app)


def test_a_redemption_that_is_killed_is_done_completely_or_not_at_all(
    alice: Person, app: App, code: str
):
    """No code is lost that gave nothing, and none gives twice."""
    codes = alice.deployment.services.people.codes
    steps = 0
    for _ in kills(alice, partial(redeem, app=app, code=code)):
        steps += 1
        assert codes.find(code).used_at is None
        assert families(alice.deployment) == 0
        assert not events(alice.deployment, "token.issued")
    assert steps
    assert families(alice.deployment) == 1
    assert len(events(alice.deployment, "token.issued")) == 1
    # The answer was lost, so the client sends the code again.
    assert app.redeem(code).error == "invalid_grant"
    assert families(alice.deployment) == 0


def test_a_second_use_that_is_killed_revokes_completely_or_not_at_all(
    alice: Person, app: App, code: str
):
    answer = app.redeem(code)
    for _ in kills(alice, partial(redeem, app=app, code=code)):
        assert families(alice.deployment) == 1
        assert not revoked_families(alice.deployment)
        assert not events(alice.deployment, "code.reused")
    assert len(revoked_families(alice.deployment)) == 1
    assert len(events(alice.deployment, "code.reused")) == 1
    assert app.refresh(answer.refresh_token).error == "invalid_grant"


def test_a_consent_that_is_killed_is_remembered_with_its_code_or_not_at_all(
    alice: Person, app: App
):
    step = alice.next_step(app)

    def allow(settings: Settings, clock: FakeClock) -> None:
        composed(settings, clock).people.flow.allow(step, alice.session, BROWSER)

    for _ in kills(alice, allow):
        assert isinstance(alice.next_step(app), ConsentNeeded)
        assert not events(alice.deployment, "consent.granted")
    assert len(events(alice.deployment, "consent.granted")) == 1


def test_a_sign_out_that_is_killed_is_done_completely_or_not_at_all(alice: Person, app: App):
    answer = alice.signs_in_to(app)

    def sign_out(settings: Settings, clock: FakeClock) -> None:
        composed(settings, clock).people.sessions.sign_out(alice.session, BROWSER)

    for _ in kills(alice, sign_out):
        assert alice.deployment.services.people.sessions.find(alice.cookie)
        assert families(alice.deployment) == 1
        assert not revoked_families(alice.deployment)
    assert alice.deployment.services.people.sessions.find(alice.cookie) is None
    assert len(revoked_families(alice.deployment)) == 1
    assert app.refresh(answer.refresh_token).error == "invalid_grant"
