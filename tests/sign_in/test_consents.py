"""Withdrawing what a user allowed a client."""

import pytest

from issuer.errors import NotFound
from issuer.sign_in.authorization_request import ConsentNeeded
from tests.interleaving import right_after
from tests.oauth.refreshing import events, revoked, revoked_families
from tests.sign_in.authorizing import App, Person, returned


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
