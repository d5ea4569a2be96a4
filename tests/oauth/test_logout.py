"""`/oauth2/logout` (OpenID Connect RP-Initiated Logout 1.0)."""

import json
from datetime import timedelta
from typing import Any

import httpx
import pytest
from joserfc import jws
from joserfc.jwk import OctKey

from tests.builders import OPERATOR, URL
from tests.oauth.refreshing import events
from tests.rows import rows
from tests.sign_in.authorizing import App, Person, sign_in

BYE = "https://app.example/bye"


@pytest.fixture
def leaving(alice: Person, app: App) -> App:
    """The app, with an address for after the logout."""
    with alice.deployment.changing() as work:
        work.clients.update("app", {"post_logout_redirect_uris": [BYE]})
    return app


def logout(person: Person, cookie: str | None = None, **parameters: Any) -> httpx.Response:
    person.deployment.http.cookies.clear()
    return person.deployment.http.get(
        "/oauth2/logout",
        params=parameters,
        headers={"Cookie": f"__Host-session={cookie or person.cookie}"},
        follow_redirects=False,
    )


def is_signed_in(person: Person) -> bool:
    return person.deployment.services.people.sessions.find(person.cookie) is not None


def test_a_client_that_shows_the_id_token_signs_the_person_out(alice: Person, leaving: App):
    answer = alice.signs_in_to(leaving, scope="openid")
    response = logout(
        alice,
        id_token_hint=answer.body["id_token"],
        post_logout_redirect_uri=BYE,
        state="s t",
    )
    assert (response.status_code, response.headers["location"]) == (303, f"{BYE}?state=s+t")
    assert "__Host-session=" in response.headers["set-cookie"]
    assert not is_signed_in(alice)
    assert leaving.refresh(answer.refresh_token).error == "invalid_grant"
    assert events(alice.deployment, "session.ended")[-1].actor == alice.user_id


def test_an_expired_id_token_is_good_enough(alice: Person, leaving: App):
    hint = alice.signs_in_to(leaving, scope="openid").body["id_token"]
    alice.deployment.wait(timedelta(hours=1))
    assert logout(alice, id_token_hint=hint).headers["location"] == f"{URL}/sign-out"
    assert not is_signed_in(alice)


@pytest.mark.parametrize("hint", ["none", "another session", "client only"])
def test_otherwise_the_person_is_asked(alice: Person, leaving: App, hint: str):
    """A link on another site must not sign anybody out."""
    parameters = {"client_id": "app", "post_logout_redirect_uri": BYE}
    if hint == "none":
        parameters = {}
    elif hint == "another session":
        other = sign_in(alice.deployment, alice.user_id)
        parameters["id_token_hint"] = other.signs_in_to(leaving, scope="openid").body["id_token"]
    response = logout(alice, **parameters)
    location = response.headers["location"]
    assert location.startswith(f"{URL}/sign-out?request=")
    assert is_signed_in(alice)
    sealed = response.cookies["__Host-logout-" + location.partition("=")[2]]
    request = alice.deployment.services.people.logout_requests.open(sealed)
    assert request.return_to == (None if hint == "none" else BYE)


def test_nobody_signed_in_is_signed_out_already(alice: Person, leaving: App):
    response = logout(alice, "x", client_id="app", post_logout_redirect_uri=BYE)
    assert response.headers["location"] == BYE


@rows(
    "parameters",
    [
        {"post_logout_redirect_uri": BYE},
        {"client_id": "app", "post_logout_redirect_uri": BYE + "/"},
        {"client_id": "app", "post_logout_redirect_uri": "https://app.example/callback"},
        {"client_id": "unknown", "post_logout_redirect_uri": BYE},
        {"id_token_hint": "nonsense"},
        {"state": ["a", "b"]},
        {"client_id": "app", "state": "s" * 1_001},
    ],
)
def test_anything_wrong_is_a_page_and_signs_nobody_out(
    alice: Person, leaving: App, parameters: dict[str, Any]
):
    response = logout(alice, **parameters)
    assert response.status_code == 400
    assert "location" not in response.headers
    assert is_signed_in(alice)


def test_a_refused_sign_out_says_what_was_sent_and_how_to_sign_out(alice: Person, leaving: App):
    """Not of signing in, and not that nothing came where something did."""
    token = "eyJ" + "x" * 900
    page = logout(alice, id_token_hint=token).text
    assert "cannot sign you out" in page
    assert "sign you in" not in page
    assert 'href="/sign-out"' in page
    assert f"{token[:60]}… (903 characters)" in page
    assert token[:61] not in page
    assert "a, b" in logout(alice, state=["a", "b"]).text


def test_an_address_without_an_application_is_not_called_unregistered(alice: Person, leaving: App):
    unnamed = logout(alice, post_logout_redirect_uri=BYE).text
    assert "It must send client_id or id_token_hint." in unnamed
    unknown = logout(alice, client_id="unknown", post_logout_redirect_uri=BYE).text
    assert "The application is not known here." in unknown
    assert "<code>unknown</code>" in unknown
    for page in (unnamed, unknown):
        assert "not registered" not in page


def test_a_hint_whose_key_is_gone_asks_the_person(alice: Person, leaving: App):
    """People sign out long after a rotation; the application is known by the `aud` of the hint."""
    hint = alice.signs_in_to(leaving, scope="openid").body["id_token"]
    kid = jws.extract_compact(hint.encode()).headers()["kid"]
    services = alice.deployment.services
    with services.administration.changing_keys(OPERATOR) as work:
        work.keys.revoke(kid)
    services.keys.rotator.poll()
    response = logout(alice, id_token_hint=hint, post_logout_redirect_uri=BYE)
    assert response.headers["location"].startswith(f"{URL}/sign-out?request=")
    assert is_signed_in(alice)
    elsewhere = logout(alice, id_token_hint=hint, post_logout_redirect_uri="https://evil.example")
    assert elsewhere.status_code == 400
    assert logout(alice, id_token_hint=hint, client_id="issuer-admin").status_code == 400


@rows("claims", [[], {}, {"iss": URL}, {"iss": URL, "aud": ["app"]}, {"iss": URL, "aud": "\0"}])
def test_a_made_up_id_token_is_no_hint(alice: Person, leaving: App, claims: object):
    made_up = jws.serialize_compact(
        {"alg": "HS256", "typ": "JWT", "kid": "gone"}, json.dumps(claims), OctKey.generate_key()
    )
    assert logout(alice, id_token_hint=made_up).status_code == 400


def test_an_access_token_is_no_hint(alice: Person, leaving: App):
    answer = alice.signs_in_to(leaving, scope="openid")
    assert logout(alice, id_token_hint=answer.token).status_code == 400


def test_the_hint_of_another_client_is_refused(alice: Person, leaving: App):
    hint = alice.signs_in_to(leaving, scope="openid").body["id_token"]
    assert logout(alice, id_token_hint=hint, client_id="issuer-admin").status_code == 400
    assert is_signed_in(alice)


def test_a_post_by_another_site_signs_nobody_out(alice: Person, leaving: App):
    """It is sent again as a GET, which asks the person."""
    response = alice.deployment.http.post(
        "/oauth2/logout", data={"client_id": "app"}, follow_redirects=False
    )
    assert response.headers["location"] == "/oauth2/logout?client_id=app"
    assert is_signed_in(alice)


def test_a_client_that_registered_itself_redirects_nobody_who_has_not_acted(
    alice: Person, self_registered_app: App
):
    """RFC 9700 §4.11.2: anybody can register such an address."""
    client_id = self_registered_app.client.client_id
    with alice.deployment.changing() as work:
        work.clients.update(client_id, {"post_logout_redirect_uris": [BYE]})
    response = logout(alice, "x", client_id=client_id, post_logout_redirect_uri=BYE)
    assert response.headers["location"] == f"{URL}/sign-out"


def test_a_browser_keeps_few_requests_to_sign_out(alice: Person, leaving: App):
    """Too many cookies would shut the person out, and another site can open many links."""
    kept: dict[str, str] = {}
    for _ in range(7):
        cookie = "; ".join([alice.cookie, *(f"{name}={value}" for name, value in kept.items())])
        response = logout(alice, cookie, client_id="app")
        for name in list(kept):
            if (
                f"{name}=" in response.headers.get("set-cookie", "")
                and name not in response.cookies
            ):
                del kept[name]
        kept |= dict(response.cookies)
    assert len(kept) == 5


def test_the_cookie_keeps_no_client_that_does_not_exist(alice: Person):
    response = logout(alice, client_id="x" * 3_000)
    assert len(response.headers["set-cookie"]) < 500
