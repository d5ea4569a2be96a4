"""The authorization code grant at the token endpoint."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from issuer.database.tables import AuthorizationCodeRow
from tests.builders import PASSWORD, URL, Deployment
from tests.drivers import TokenDriver
from tests.oauth.refreshing import events, families, revoked, revoked_families
from tests.rows import rows
from tests.sign_in.authorizing import BROWSER, CALLBACK, GRANTS, VERIFIER, App, Person
from tests.sign_in.fixtures import SCOPES


def test_a_code_gives_a_token_for_the_user(alice: Person, app: App):
    answer = alice.signs_in_to(app)
    header, claims = app.endpoint.read(answer)
    assert header["typ"] == "at+jwt"
    assert (claims["sub"], claims["client_id"], claims["aud"]) == (alice.user_id, "app", "my-os")
    assert claims["scopes"] == SCOPES
    assert claims["sid"].startswith("family_")
    assert answer.scope == set(SCOPES)
    assert "id_token" not in answer.body
    event = events(alice.deployment, "token.issued")[-1]
    assert event.details["grant_type"] == "authorization_code"
    assert event.details["family"] == claims["sid"]


@pytest.mark.parametrize("more_settings", [{"password_grant": "false"}])
def test_without_the_password_grant_people_sign_in_and_refresh(alice: Person, app: App):
    answer = alice.signs_in_to(app)
    assert app.refresh(answer.refresh_token).status == 200


def test_a_public_client_gets_all_that_its_user_holds_and_can_refresh(
    alice: Person, public_app: App
):
    """With rotation and reuse detection, which RFC 9700 §4.14.2 wants for such clients."""
    first = alice.signs_in_to(public_app)
    assert first.scope == set(SCOPES)
    second = public_app.refresh(first.refresh_token)
    assert second.status == 200
    assert public_app.refresh(first.refresh_token).error == "invalid_grant"
    assert public_app.refresh(second.refresh_token).error == "invalid_grant"
    assert families(alice.deployment) == 0


def test_without_the_refresh_token_grant_the_session_is_the_sid(alice: Person, app: App):
    with alice.deployment.changing() as work:
        work.clients.update("app", {"grant_types": ["authorization_code"]})
    answer = alice.signs_in_to(app)
    assert "refresh_token" not in answer.body
    assert app.endpoint.claims(answer)["sid"] == alice.session.id
    alice.deployment.services.people.sessions.sign_out(alice.session, BROWSER)
    assert revoked_families(alice.deployment) == {alice.session.id}


@rows(
    ("change", "error"),
    [
        ({"code": None}, "invalid_request"),
        ({"code": "aicode_unknown"}, "invalid_grant"),
        ({"code_verifier": None}, "invalid_grant"),
        ({"code_verifier": "too-short"}, "invalid_request"),
        ({"code_verifier": VERIFIER + "x"}, "invalid_grant"),
        ({"redirect_uri": None}, "invalid_grant"),
        ({"redirect_uri": CALLBACK + "/"}, "invalid_grant"),
        ({"resource": "another-os"}, "invalid_target"),
    ],
)
def test_what_does_not_fit_the_request_is_refused_and_consumes_nothing(
    alice: Person, app: App, change: dict[str, str | None], error: str
):
    """RFC 6749 §4.1.3, RFC 7636 §4.6."""
    code = alice.allows(app)
    assert app.redeem(code, **change).error == error
    assert app.redeem(code, resource="my-os").status == 200


def test_a_code_of_another_client_is_refused_and_stays_valid(
    alice: Person, app: App, token_endpoint: TokenDriver
):
    """Code injection: the other client cannot use it, and cannot end what it gives."""
    other = App(
        token_endpoint,
        alice.deployment.client("other", grant_types=GRANTS, redirect_uris=[CALLBACK]),
    )
    code = alice.allows(app)
    assert other.redeem(code).error == "invalid_grant"
    answer = app.redeem(code)
    assert answer.status == 200
    assert other.redeem(code).error == "invalid_grant"
    assert app.refresh(answer.refresh_token).status == 200


def test_a_code_expires_after_a_minute(alice: Person, app: App):
    code = alice.allows(app)
    alice.deployment.wait(timedelta(seconds=60))
    assert app.redeem(code).error == "invalid_grant"


@pytest.mark.parametrize("after", [timedelta(0), timedelta(minutes=14)])
def test_a_code_that_is_used_again_revokes_what_it_gave(alice: Person, app: App, after: timedelta):
    """RFC 6749 §4.1.2: the refresh family and its access tokens."""
    code = alice.allows(app)
    answer = app.redeem(code)
    sid = app.endpoint.claims(answer)["sid"]
    alice.deployment.wait(after)
    assert app.redeem(code).error == "invalid_grant"
    assert revoked_families(alice.deployment) == {sid}
    assert app.refresh(answer.refresh_token).error == "invalid_grant"
    (event,) = events(alice.deployment, "code.reused")
    assert (event.actor, event.target) == ("app", alice.user_id)
    assert event.details["access_tokens_revoked"]


def test_a_code_used_again_revokes_a_token_without_a_family(alice: Person, app: App):
    with alice.deployment.changing() as work:
        work.clients.update("app", {"grant_types": ["authorization_code"]})
    code = alice.allows(app)
    jti = app.endpoint.claims(app.redeem(code))["jti"]
    assert app.redeem(code).error == "invalid_grant"
    assert revoked(alice.deployment) == {jti}


@pytest.mark.parametrize(
    "change", [{"code_verifier": VERIFIER + "x"}, {"redirect_uri": CALLBACK + "/"}]
)
def test_somebody_who_only_has_a_used_code_ends_nothing(
    alice: Person, app: App, change: dict[str, str]
):
    """draft-ietf-oauth-v2-1 §7.5.3: codes stand in histories and logs."""
    code = alice.allows(app)
    answer = app.redeem(code)
    assert app.redeem(code, **change).error == "invalid_grant"
    assert app.refresh(answer.refresh_token).status == 200


@pytest.mark.parametrize(
    "change", ["password", "user disabled", "user deleted", "client", "signed out", "consent"]
)
def test_a_code_ends_with_what_it_came_from(alice: Person, app: App, change: str):
    code = alice.allows(app)
    services = alice.deployment.services
    password = services.sign_in.passwords.prepared(PASSWORD + "!")
    with alice.deployment.changing() as work:
        match change:
            case "password":
                work.users.set_password(alice.user_id, password)
            case "user disabled":
                work.users.update(alice.user_id, {"disabled": True})
            case "user deleted":
                work.users.delete(alice.user_id)
            case "client":
                work.clients.revoke_tokens("app")
            case "signed out":
                work.sessions.end(alice.user_id, alice.session.id)
            case "consent":
                work.consents.withdraw(alice.user_id, "app")
    assert app.redeem(code).error == "invalid_grant"
    assert families(alice.deployment) == 0


def test_a_scope_in_the_token_request_is_ignored(alice: Person, app: App):
    """RFC 6749 §4.1.3 has none; some clients send the one they asked for before it was narrowed."""
    code = alice.allows(app, scope="agents:delete agents:run")
    assert app.redeem(code, scope="agents:delete agents:run").scope == {"agents:run"}


def test_rights_removed_since_the_consent_are_not_in_the_token(alice: Person, app: App):
    code = alice.allows(app)
    with alice.deployment.changing() as work:
        work.roles.update("runner", {"scopes": ["agents:run"]})
    assert app.redeem(code).scope == {"agents:run"}


def test_of_many_redemptions_at_once_one_gives_a_token_at_most(alice: Person, app: App):
    code = alice.allows(app)
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: app.redeem(code), range(8)))
    assert sum(answer.status == 200 for answer in answers) == 1
    assert {answer.error for answer in answers if answer.status != 200} == {"invalid_grant"}
    assert len(events(alice.deployment, "token.issued")) == 1
    assert families(alice.deployment) == 0  # the others are further uses


def test_the_scopes_of_openid_connect_stay_with_the_refresh_token(alice: Person, app: App):
    answer = alice.signs_in_to(app, scope="openid profile agents:run")
    assert answer.body["scope"] == "openid profile agents:run"
    claims = app.endpoint.claims(answer)
    assert (claims["scope"], claims["scopes"]) == ("openid profile agents:run", ["agents:run"])
    again = app.refresh(answer.refresh_token)
    assert again.body["scope"] == "openid profile agents:run"
    narrower = app.refresh(again.refresh_token, scope="agents:web:run email")
    assert narrower.body["scope"] == "agents:web:run"
    assert app.endpoint.introspect(app.client, narrower.refresh_token)["scope"] == (
        "openid profile agents:run"
    )


def test_outside_the_code_grant_they_are_ignored(
    deployment: Deployment, token_endpoint: TokenDriver
):
    client = deployment.client(scopes=["agents:run"])
    answer = token_endpoint.client_credentials(client, scope="openid profile email offline_access")
    assert answer.body["scope"] == "agents:run"
    narrowed = token_endpoint.client_credentials(client, scope="openid agents:web:run")
    assert narrowed.body["scope"] == "agents:web:run"


def test_a_token_for_user_info_opens_nothing_else(alice: Person, app: App):
    with alice.deployment.changing() as work:
        work.clients.update("app", {"audiences": []})
    answer = alice.signs_in_to(app, scope="openid")
    assert app.endpoint.claims(answer)["aud"] == URL
    headers = {"Authorization": f"Bearer {answer.token}"}
    assert app.endpoint.http.get("/admin/v1/scopes", headers=headers).status_code == 403
    assert app.endpoint.introspect(app.client, answer.token)["scope"] == "openid"
    again = app.refresh(answer.refresh_token)
    assert again.body["scope"] == "openid"
    assert app.endpoint.introspect(app.client, again.refresh_token)["aud"] == URL


def test_codes_are_kept_while_they_matter_and_then_deleted(alice: Person, app: App):
    """Used ones for a day, to detect another use; unused ones as long as their request lives."""
    codes = alice.deployment.services.people.codes

    def kept() -> int:
        codes.delete_expired()
        with alice.deployment.services.database.reading() as session:
            return session.query(AuthorizationCodeRow).count()

    alice.signs_in_to(app)
    alice.allows(app)
    alice.deployment.clock.move(timedelta(minutes=12, seconds=29))
    assert kept() == 2
    alice.deployment.clock.move(timedelta(seconds=1))
    assert kept() == 1
    alice.deployment.clock.move(timedelta(hours=23, minutes=48, seconds=29))
    assert kept() == 1
    alice.deployment.clock.move(timedelta(seconds=1))
    assert kept() == 0
