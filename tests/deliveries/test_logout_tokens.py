"""Clients are told that a session has ended (OpenID Connect Back-Channel Logout 1.0)."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from issuer.errors import InvalidField
from tests.builders import URL, Deployment
from tests.cli.driver import Cli
from tests.conftest import Initialized
from tests.deliveries.conftest import told_app
from tests.deliveries.receiving import URI, Receivers, part
from tests.drivers import AdminApi, TokenDriver
from tests.oauth.test_registration import BODY, is_open, register, registered
from tests.rows import rows
from tests.sign_in.authorizing import BROWSER, App, Person, sign_in
from tests.web.console.conftest import person

EVENT = "http://schemas.openid.net/event/backchannel-logout"


def sign_out(person: Person) -> None:
    person.deployment.services.people.sessions.sign_out(person.session, BROWSER)


def ended_by_operator(person: Person) -> None:
    with person.deployment.changing() as work:
        work.sessions.end(person.user_id, person.session.id)


def disabled(person: Person) -> None:
    with person.deployment.changing() as work:
        work.users.update(person.user_id, {"disabled": True})


def deleted(person: Person) -> None:
    with person.deployment.changing() as work:
        work.users.delete(person.user_id)


def tokens_revoked(person: Person) -> None:
    with person.deployment.changing() as work:
        work.users.revoke_tokens(person.user_id)


def another_signs_in(person: Person) -> None:
    bob = person.deployment.user("bob")
    sign_in(person.deployment, bob, renewing=person.session)


def test_a_logout_token_says_whose_which_session_ended(
    deployment: Deployment, receivers: Receivers, alice: Person, app: App
):
    """§2.4. Its key is in the key set, and it is signed as the ID token is."""
    answer = alice.signs_in_to(app)
    sign_out(alice)
    (claims,) = receivers.deliver()
    now = int(deployment.clock().timestamp())
    assert claims.pop("jti")
    assert claims == {
        "iss": URL,
        "aud": "app",
        "iat": now,
        "exp": now + 120,
        "events": {EVENT: {}},
        "sub": alice.user_id,
        "sid": part(answer.body["id_token"], 1)["sid"],
    }
    ((url, token),) = receivers.received
    keys = KeySet.import_key_set(deployment.http.get("/.well-known/jwks.json").json())
    assert jwt.decode(token, keys, algorithms=["ES256"]).header["typ"] == "logout+jwt"
    assert url == URI


@pytest.mark.parametrize("more_settings", [{"signing_algorithms": "ES256,Ed25519"}])
def test_a_logout_token_has_the_algorithm_of_the_id_tokens(
    deployment: Deployment, receivers: Receivers, alice: Person, app: App
):
    with deployment.changing() as work:
        work.audiences.update("my-os", {"signing_alg": "Ed25519"})
    deployment.wait(timedelta(days=2))
    alice = sign_in(deployment, alice.user_id)
    answer = alice.signs_in_to(app)
    sign_out(alice)
    receivers.deliver()
    algorithm = part(answer.body["id_token"], 0)["alg"]
    assert part(receivers.received[0][1], 0)["alg"] == algorithm == "Ed25519"


ENDS = [
    sign_out,
    ended_by_operator,
    disabled,
    deleted,
    tokens_revoked,
    another_signs_in,
]


@pytest.mark.parametrize("end", ENDS, ids=lambda end: end.__name__)
def test_every_end_of_a_session_is_told_once(
    receivers: Receivers, alice: Person, app: App, end: Callable[[Person], None]
):
    alice.signs_in_to(app)
    alice.signs_in_to(app)
    end(alice)
    told = [(each["sub"], each["sid"]) for each in receivers.deliver()]
    assert told == [(alice.user_id, alice.session.id)]
    assert receivers.deliver() == []


def test_all_sessions_of_a_user_end_with_the_user(
    deployment: Deployment, receivers: Receivers, alice: Person, app: App
):
    elsewhere, unused = (sign_in(deployment, alice.user_id) for _ in range(2))
    for each in (alice, elsewhere):
        each.signs_in_to(app)
    disabled(alice)
    told = {each["sid"] for each in receivers.deliver()}
    assert told == {alice.session.id, elsewhere.session.id}
    assert unused.session.id not in told


def test_only_clients_that_got_tokens_in_the_session_are_told(
    deployment: Deployment,
    token_endpoint: TokenDriver,
    receivers: Receivers,
    alice: Person,
    app: App,
):
    """Not those without a URL, those of other sessions, and those that were only allowed."""
    other = told_app(deployment, token_endpoint, "other", "https://other.example/logout")
    told_app(deployment, token_endpoint, "never", "https://never.example/logout")
    elsewhere = sign_in(deployment, alice.user_id)
    alice.signs_in_to(app)
    alice.allows(other)
    elsewhere.signs_in_to(other)
    sign_out(alice)
    assert [url for url, _ in receivers.received] == []
    receivers.deliver()
    assert [url for url, _ in receivers.received] == [URI]


def test_a_client_that_wants_to_know_no_more_is_not_told(
    deployment: Deployment, receivers: Receivers, alice: Person, app: App
):
    alice.signs_in_to(app)
    sign_out(alice)
    with deployment.changing() as work:
        work.clients.update("app", {"backchannel_logout_uri": None})
    assert receivers.deliver() == []
    assert receivers.waiting() == 0


def test_a_client_that_gets_the_id_of_a_deleted_one_is_told_nothing_of_it(
    deployment: Deployment,
    token_endpoint: TokenDriver,
    receivers: Receivers,
    alice: Person,
    app: App,
):
    """Neither what waited for that one, nor of sessions in which that one got tokens."""
    elsewhere = sign_in(deployment, alice.user_id)
    for each in (alice, elsewhere):
        each.signs_in_to(app)
    sign_out(alice)
    with deployment.changing() as work:
        work.clients.delete("app")
    assert receivers.waiting() == 0
    told_app(deployment, token_endpoint)
    sign_out(elsewhere)
    assert receivers.deliver() == []


def test_nothing_is_told_of_a_change_that_was_not_made(
    deployment: Deployment, receivers: Receivers, alice: Person, app: App
):
    alice.signs_in_to(app)
    with pytest.raises(RuntimeError), deployment.changing() as work:
        work.sessions.end(alice.user_id, alice.session.id)
        raise RuntimeError
    assert receivers.deliver() == []
    sign_out(alice)
    assert len(receivers.deliver()) == 1


REFUSED: dict[str, str] = {
    "http": "http://app.example/logout",
    "user information": "https://user@app.example/logout",
    "a fragment": "https://app.example/logout#here",
    "no URL": "app.example",
    "too long": f"https://app.example/{'a' * 1024}",
}


@rows(("uri",), {name: (uri,) for name, uri in REFUSED.items()})
def test_a_url_that_would_not_be_asked_is_refused_when_it_is_set(shared: Deployment, uri: str):
    with pytest.raises(InvalidField, match="backchannel_logout_uri"):
        shared.client(backchannel_logout_uri=uri)


def test_the_metadata_says_that_sessions_are_told(deployment: Deployment):
    """§2.1."""
    found = deployment.http.get("/.well-known/openid-configuration").json()
    names = ("backchannel_logout_supported", "backchannel_logout_session_supported")
    assert [found[name] for name in names] == [True, True]


@is_open
def test_a_client_that_registers_itself_says_where_it_is_told(deployment: Deployment):
    """§2.2."""
    members = {"backchannel_logout_uri": URI, "backchannel_logout_session_required": True}
    answer = registered(deployment, **members)
    assert members.items() <= answer.items()
    with deployment.services.administration.reading() as work:
        assert work.clients.get(answer["client_id"]).backchannel_logout_uri == URI
    refused = register(deployment, json={**BODY, "backchannel_logout_uri": "http://app.example/"})
    assert refused.json()["error"] == "invalid_client_metadata"


def test_operators_see_what_came_of_it_and_can_try_again_at_once(
    deployment: Deployment,
    token_endpoint: TokenDriver,
    receivers: Receivers,
    alice: Person,
    app: App,
):
    admin = AdminApi(deployment.http, token_endpoint.client_credentials(deployment.admin).token)
    path = "/clients/app/backchannel-logout"
    receivers.answers[URI] = [503, 200]
    alice.signs_in_to(app)
    sign_out(alice)
    assert state(admin, path)["waiting"] == 1
    receivers.deliver()
    failed = state(admin, path)
    assert (failed["waiting"], failed["last_failure"]) == (1, f"{URI} answered 503.")
    assert failed["next_attempt_at"] > failed["last_failure_at"]
    status = admin.get("/status").json()
    assert status["deliveries"] == {"waiting": 1, "failing": 1}
    assert "1 server does not accept messages, and 1 wait." in str(status["attention"])
    assert receivers.deliver() == []
    assert admin("POST", f"{path}/retry").status_code == 204
    assert len(receivers.deliver()) == 1
    done = state(admin, path)
    assert (done["waiting"], done["next_attempt_at"]) == (0, None)
    assert admin.get("/status").json()["deliveries"] == {"waiting": 0, "failing": 0}
    assert done["last_success_at"] is not None
    deployment.client("quiet")
    assert admin.get("/clients/quiet/backchannel-logout").status_code == 404


def test_the_page_of_the_client_shows_it_and_tries_again(
    deployment: Deployment, receivers: Receivers, alice: Person, app: App
):
    boss, path = person(deployment, "boss", ["issuer:admin"]), "/console/clients/app"
    assert "not yet needed" in boss.get(path).text
    receivers.answers[URI] = ["It cannot be reached.", 200]
    alice.signs_in_to(app)
    sign_out(alice)
    receivers.deliver()
    page = boss.get(path)
    for words in ("failing", "It cannot be reached.", "1 waiting"):
        assert words in page.text
    sentence = "1 message waits: It cannot be reached. It is tried again for a day."
    assert sentence in boss.get("/console").text
    done = boss.submit(page, path, do="retry-backchannel-logout")
    assert "app is told within seconds." in boss.follow(done).text
    assert len(receivers.deliver()) == 1
    page = boss.get(path)
    assert ("failing" in page.text, "waiting" in page.text) == (False, False)


def test_the_command_shows_it(
    opened: Initialized, deployment: Deployment, receivers: Receivers, alice: Person, app: App
):
    settings = opened.settings
    database = {"ISSUER_DATABASE_URL": settings.effective_database_url}
    cli = Cli({"ISSUER_URL": URL, "ISSUER_DATA_DIR": str(settings.data_dir), **database})
    receivers.answers[URI] = [500]
    alice.signs_in_to(app)
    sign_out(alice)
    receivers.deliver()
    shown = cli.json("client", "backchannel-logout", "status", "app")
    assert (shown["waiting"], shown["last_failure"]) == (1, f"{URI} answered 500.")
    found = {each["check"]: each for each in cli("doctor", "--json").json["items"]}
    assert found["deliveries to app"]["verdict"] == "warning"
    assert f"{URI} answered 500." in found["deliveries to app"]["message"]
    retried = cli.json("client", "backchannel-logout", "retry", "app")
    assert retried == {"retried": "app"}
    assert len(receivers.deliver()) == 1


def state(admin: AdminApi, path: str) -> dict[str, Any]:
    found: dict[str, Any] = admin.get(path).json()
    return found
