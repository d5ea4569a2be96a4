"""What a person must still do before a client gets a code."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import update

from issuer.database.tables import ConsentRow
from issuer.sign_in.authorization_request import (
    ConsentNeeded,
    Redirection,
    RequestProblem,
    SignInNeeded,
)
from tests.builders import URL, Deployment
from tests.oauth.refreshing import events
from tests.rows import rows
from tests.sign_in.authorizing import BROWSER, App, Person, code_of, returned, sign_in


def test_somebody_without_a_session_signs_in_first(deployment: Deployment, app: App):
    people = deployment.services.people
    request, _ = people.validation.validate(list(app.request().items()))
    assert people.flow.next_step(request, None, BROWSER) == SignInNeeded(request)


def test_consent_is_asked_once_and_then_remembered(alice: Person, app: App):
    step = alice.next_step(app)
    assert isinstance(step, ConsentNeeded)
    assert (step.scopes, step.openid_scopes) == (("agents:run", "sessions:read"), ())
    assert step.audience.id == "my-os"
    assert alice.allows(app)
    assert isinstance(alice.next_step(app), Redirection)
    assert isinstance(alice.next_step(app, prompt="consent"), ConsentNeeded)
    assert isinstance(alice.next_step(app, scope="openid"), ConsentNeeded)
    (granted,) = events(alice.deployment, "consent.granted")
    assert (granted.actor, granted.details["client_id"]) == (alice.user_id, "app")


def test_a_narrower_scope_needs_no_new_consent_and_a_wider_one_does(alice: Person, app: App):
    alice.allows(app, scope="agents:run")
    assert isinstance(alice.next_step(app, scope="agents:web:run"), Redirection)
    step = alice.next_step(app)
    assert isinstance(step, ConsentNeeded)
    assert step.not_granted == ()


def test_the_page_can_say_what_the_client_would_not_get(alice: Person, app: App):
    step = alice.next_step(app, scope="agents:web:run")
    assert step.scopes == ("agents:web:run",)
    assert step.not_granted == ("agents:run", "sessions:read")


def test_scopes_are_narrowed_to_what_the_user_holds(alice: Person, app: App):
    """With a person present that is no error; the token response says `scope`."""
    answer = alice.signs_in_to(app, scope="agents:delete agents:web:run")
    assert answer.scope == {"agents:web:run"}


def test_nothing_left_is_access_denied_unless_it_is_for_user_info(alice: Person, app: App):
    denied = alice.next_step(app, scope="agents:delete")
    assert returned(denied.url)["error"] == "access_denied"
    assert isinstance(alice.next_step(app, scope="openid agents:delete"), ConsentNeeded)


def test_a_first_party_client_needs_no_consent(alice: Person, app: App):
    with alice.deployment.changing() as work:
        work.clients.update("app", {"first_party": True})
    assert isinstance(alice.next_step(app), Redirection)
    assert isinstance(alice.next_step(app, prompt="consent"), ConsentNeeded)


@rows("first_party", [False, True])
@rows(
    ("allowed", "asked"),
    [
        ("http://127.0.0.1:1111/cb", "http://127.0.0.1:1111/cb"),
        ("http://127.0.0.1:1111/cb", "http://127.0.0.1:2222/cb"),
        ("cursor://app/cb", "cursor://app/cb"),
    ],
)
def test_a_program_on_the_users_machine_is_asked_about_every_time(
    alice: Person, app: App, allowed: str, asked: str, first_party: bool
):
    """RFC 8252 §8.6: any program there may send the request, and receive what is sent."""
    with alice.deployment.changing() as work:
        work.clients.update("app", {"first_party": first_party, "redirect_uris": [allowed]})
    assert alice.allows(app, redirect_uri=allowed)
    assert isinstance(alice.next_step(app, redirect_uri=asked), ConsentNeeded)
    for scope in ("agents:run", "agents:delete"):  # the answer does not say what alice holds
        silent = alice.next_step(app, redirect_uri=asked, prompt="none", scope=scope)
        assert returned(silent.url)["error"] == "consent_required"


@pytest.mark.parametrize("first_party", [False, True])
def test_rights_at_the_issuer_itself_are_asked_about_every_time(
    alice: Person, app: App, first_party: bool
):
    deployment = alice.deployment
    deployment.role("admins", ["issuer:admin"])
    with deployment.changing() as work:
        work.clients.update(
            "app",
            {"first_party": first_party, "scopes": ["issuer:admin"], "audiences": ["my-os", URL]},
        )
    admin = sign_in(deployment, deployment.user("root", ["admins"]))
    assert admin.allows(app, audience=URL)
    step = admin.next_step(app, audience=URL)
    assert isinstance(step, ConsentNeeded)
    assert step.scopes == ("issuer:admin",)
    silent = admin.next_step(app, audience=URL, prompt="none")
    assert returned(silent.url)["error"] == "consent_required"


def test_a_consent_counts_for_its_redirect_uri(alice: Person, app: App):
    other = "https://app.example/other"
    with alice.deployment.changing() as work:
        work.clients.update("app", {"redirect_uris": [app.redirect_uri, other]})
    alice.allows(app)
    assert isinstance(alice.next_step(app, redirect_uri=other), ConsentNeeded)
    alice.allows(app, redirect_uri=other, scope="agents:run")
    for redirect_uri in (app.redirect_uri, other):
        step = alice.next_step(app, redirect_uri=redirect_uri, scope="agents:run")
        assert isinstance(step, Redirection)
    assert isinstance(alice.next_step(app, redirect_uri=other), ConsentNeeded)
    with alice.deployment.services.administration.reading() as work:
        (consent,) = work.consents.of_user(alice.user_id)
    assert consent.redirect_uris == (app.redirect_uri, other)


def test_a_consent_of_version_0_1_0_is_asked_for_again(alice: Person, app: App):
    """It did not store the redirect URI."""
    alice.allows(app)
    with alice.deployment.services.database.transaction() as session:
        session.execute(update(ConsentRow).values(redirects=None))
    assert isinstance(alice.next_step(app), ConsentNeeded)
    alice.allows(app)
    assert isinstance(alice.next_step(app), Redirection)


@pytest.mark.parametrize(("prompt", "error"), [("none", "consent_required")])
def test_prompt_none_never_asks(alice: Person, app: App, prompt: str, error: str):
    assert returned(alice.next_step(app, prompt=prompt).url)["error"] == error
    alice.allows(app)
    assert "code" in returned(alice.next_step(app, prompt=prompt).url)
    people = alice.deployment.services.people
    request, _ = people.validation.validate(list(app.request(prompt=prompt).items()))
    nobody = people.flow.next_step(request, None, BROWSER)
    assert returned(nobody.url)["error"] == "login_required"


def test_prompt_login_wants_a_sign_in_after_the_request(alice: Person, app: App):
    """OpenID Connect Core §3.1.2.1."""
    deployment = alice.deployment
    people = deployment.services.people
    deployment.clock.move(timedelta(seconds=1))
    request, _ = people.validation.validate(list(app.request(prompt="login").items()))
    assert isinstance(people.flow.next_step(request, alice.session, BROWSER), SignInNeeded)
    again = sign_in(deployment, alice.user_id, renewing=alice.session)
    assert again.session.id == alice.session.id
    step = people.flow.next_step(request, again.session, BROWSER)
    assert isinstance(step, ConsentNeeded)
    assert isinstance(people.flow.allow(step, alice.session, BROWSER), SignInNeeded)


def test_only_the_user_of_the_id_token_completes_a_request(alice: Person, app: App):
    """OpenID Connect Core §3.1.2.1 and §3.1.2.2: an application renews the sign-in of its user."""
    deployment, flow = alice.deployment, alice.deployment.services.people.flow
    hint = alice.signs_in_to(app, scope="openid").body["id_token"]
    bob = sign_in(deployment, deployment.user("bob", ["runner"]))
    bob.allows(app)
    deployment.clock.move(timedelta(days=1))
    silent = {"id_token_hint": hint, "prompt": "none"}
    assert "code" in returned(alice.next_step(app, **silent).url)
    assert returned(bob.next_step(app, **silent).url)["error"] == "login_required"
    step = bob.next_step(app, id_token_hint=hint)
    assert isinstance(step, SignInNeeded)
    assert isinstance(flow.allow(step, bob.session, BROWSER), SignInNeeded)
    again = sign_in(deployment, bob.user_id)
    refused = flow.next_step(step.request, again.session, BROWSER)
    assert returned(refused.url)["error"] == "login_required"
    assert "code" in returned(
        flow.next_step(step.request, sign_in(deployment, alice.user_id).session, BROWSER).url
    )


@pytest.mark.parametrize("hint", ["nonsense", "an access token", "of another client"])
def test_an_id_token_that_the_client_did_not_get_is_no_hint(
    alice: Person, app: App, public_app: App, hint: str
):
    answer = alice.signs_in_to(app, scope="openid")
    if hint == "an access token":
        hint = answer.token
    elif hint == "of another client":
        hint = alice.signs_in_to(public_app, scope="openid").body["id_token"]
    response = alice.visits(app, id_token_hint=hint)
    assert returned(response)["error"] == "login_required"


def test_max_age_wants_a_newer_sign_in(alice: Person, app: App):
    alice.allows(app)
    alice.deployment.clock.move(timedelta(seconds=61))
    assert isinstance(alice.next_step(app, max_age="61"), Redirection)
    assert isinstance(alice.next_step(app, max_age="60"), SignInNeeded)
    assert isinstance(alice.next_step(app, max_age="0"), SignInNeeded)


def test_denying_is_access_denied(alice: Person, app: App):
    step = alice.next_step(app)
    denied = alice.deployment.services.people.flow.deny(step.request, alice.session, BROWSER)
    assert returned(denied.url)["error"] == "access_denied"
    assert returned(denied.url)["state"] == "af0ifjsldkj"
    assert events(alice.deployment, "consent.denied")


def test_a_request_gives_one_code(alice: Person, app: App):
    """Twice submitted, or with the back button: nothing happens twice."""
    flow = alice.deployment.services.people.flow
    step = alice.next_step(app)
    first = flow.allow(step, alice.session, BROWSER)
    assert code_of(first.url)
    second = flow.allow(step, alice.session, BROWSER)
    assert isinstance(second, RequestProblem)
    assert len(events(alice.deployment, "consent.granted")) == 1


def test_nobody_allows_what_was_not_shown(alice: Person, app: App):
    """The rights changed since: the page is shown again."""
    flow = alice.deployment.services.people.flow
    shown = alice.next_step(app)
    with alice.deployment.changing() as work:
        work.roles.update("runner", {"scopes": ["agents:run"]})
    now = flow.allow(shown, alice.session, BROWSER)
    assert isinstance(now, ConsentNeeded)
    assert now.scopes == ("agents:run",)
    assert not events(alice.deployment, "consent.granted")
    assert code_of(flow.allow(now, alice.session, BROWSER).url)


@pytest.mark.parametrize("change", ["client", "redirect_uri", "grant", "user", "session"])
def test_the_end_checks_everything_again(alice: Person, app: App, change: str):
    step = alice.next_step(app)
    with alice.deployment.changing() as work:
        if change == "client":
            work.clients.update("app", {"disabled": True})
        elif change == "redirect_uri":
            work.clients.update("app", {"redirect_uris": ["https://app.example/new"]})
        elif change == "grant":
            work.clients.update("app", {"grant_types": ["client_credentials"]})
        elif change == "user":
            work.users.update(alice.user_id, {"disabled": True})
        else:
            work.sessions.end(alice.user_id, alice.session.id)
    outcome = alice.deployment.services.people.flow.allow(step, alice.session, BROWSER)
    assert isinstance(outcome, RequestProblem | SignInNeeded)


def test_a_client_without_audiences_learns_only_who_the_user_is(alice: Person, app: App):
    with alice.deployment.changing() as work:
        work.clients.update("app", {"audiences": []})
    denied = alice.next_step(app)
    assert returned(denied.url)["error"] == "access_denied"
    step = alice.next_step(app, scope="openid")
    assert (step.audience, step.scopes) == (None, ())
    answer = alice.signs_in_to(app, scope="openid")
    claims = app.endpoint.claims(answer)
    assert (claims["aud"], claims["scopes"], claims["scope"]) == (URL, [], "openid")


def test_a_client_that_registered_itself_is_always_asked_about(
    alice: Person, self_registered_app: App
):
    """However often the user allowed it: nobody here has checked who it is."""
    alice.allows(self_registered_app, resource="my-os")
    assert isinstance(alice.next_step(self_registered_app, resource="my-os"), ConsentNeeded)


@rows(
    "change",
    [
        {"response_type": "token"},
        {"resource": URL},
        {"code_challenge": None},
        {"resource": "my-os", "scope": "agents:delete"},
    ],
)
def test_it_is_not_redirected_with_an_error_before_the_person_has_acted(
    alice: Person, self_registered_app: App, change: dict[str, str | None]
):
    """RFC 9700 §4.11.2: its redirect URIs may lead anywhere. A page names where they lead."""
    alice.deployment.clock.move(timedelta(seconds=1))
    response = alice.visits(self_registered_app, **change)
    assert response.status_code == 400
    assert "location" not in response.headers
    quietly = alice.visits(self_registered_app, **change, prompt="none")
    assert returned(quietly)["error"]


@pytest.mark.parametrize("scope", ["agents:read", "agents:delete"])
def test_prompt_none_does_not_tell_it_what_a_user_holds(
    alice: Person, self_registered_app: App, scope: str
):
    """Nobody has allowed it to know."""
    answer = alice.visits(self_registered_app, resource="my-os", scope=scope, prompt="none")
    assert returned(answer)["error"] == "consent_required"


def test_it_is_redirected_once_the_person_has_acted(alice: Person, self_registered_app: App):
    flow = alice.deployment.services.people.flow
    step = alice.next_step(self_registered_app, resource="my-os")
    denied = flow.deny(step.request, alice.session, BROWSER)
    assert returned(denied.url)["error"] == "access_denied"
    with alice.deployment.changing() as work:
        work.roles.update("runner", {"scopes": []})
    outcome = flow.next_step(step.request, alice.session, BROWSER)
    assert isinstance(outcome, Redirection)  # alice signed in after the request
    alice.deployment.clock.move(timedelta(seconds=1))
    later = alice.next_step(self_registered_app, resource="my-os")
    assert isinstance(later, RequestProblem)
    assert returned(later.return_to)["error"] == "access_denied"


@pytest.mark.parametrize("redirect_uri", ["cursor://app/callback", "com.example.app:/callback"])
def test_its_application_is_never_opened_before_the_person_has_acted(
    alice: Person, self_registered_app: App, redirect_uri: str
):
    """Not with `prompt=none` either: any page could open a program on the machine."""
    client_id = self_registered_app.client.client_id
    with alice.deployment.changing() as work:
        work.clients.update(client_id, {"redirect_uris": [redirect_uri]})
    app = replace(self_registered_app, redirect_uri=redirect_uri)
    alice.deployment.clock.move(timedelta(seconds=1))
    for asked in ({"resource": "my-os"}, {"resource": "nothing"}, {"response_type": "token"}):
        response = alice.visits(app, **asked, prompt="none")
        assert (response.status_code, response.headers.get("location")) == (400, None)
    assert alice.allows(app, resource="my-os")


def test_a_scheme_that_only_an_administrator_may_give_opens_nothing(
    alice: Person, app: App, self_registered_app: App
):
    """Also if a client has registered it before that was refused."""
    scheme = "ms-settings:callback"
    for each in (app, self_registered_app):
        with alice.deployment.changing() as work:
            work.clients.update(each.client.client_id, {"redirect_uris": [scheme]})
    refused = alice.visits(self_registered_app, redirect_uri=scheme, resource="my-os")
    assert (refused.status_code, refused.headers.get("location")) == (400, None)
    assert isinstance(alice.next_step(app, redirect_uri=scheme), ConsentNeeded)
