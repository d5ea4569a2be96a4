"""`/oauth2/authorize` as a browser sees it (RFC 6749 §3.1)."""

from datetime import timedelta
from random import Random
from string import ascii_letters, digits
from urllib.parse import urlsplit

import httpx
import pytest
from sqlalchemy import select

from issuer.database.tables import AuthorizationCodeRow
from tests.builders import URL, Deployment
from tests.captured_logs import capture_logs
from tests.sign_in.authorizing import App, Person, challenge, code_of, returned, rows, visit


def page(response: httpx.Response) -> tuple[str, str]:
    """The page that the browser is sent to, and the id of its request."""
    assert response.status_code == 303, response.text
    location = urlsplit(response.headers["location"])
    assert f"{location.scheme}://{location.netloc}" == URL
    return location.path, location.query.removeprefix("request=")


def test_a_browser_without_a_session_goes_to_the_sign_in_page(deployment: Deployment, app: App):
    """With the sealed request in a cookie, so that nothing is stored."""
    before = rows(deployment)
    response = visit(deployment, app.request())
    path, request_id = page(response)
    assert path == "/sign-in"
    sealed = response.cookies[f"__Host-request-{request_id}"]
    assert deployment.services.people.requests.open(sealed).client_id == "app"
    attributes = response.headers["set-cookie"].lower()
    for attribute in ("max-age=600", "httponly", "secure", "samesite=lax", "path=/"):
        assert attribute in attributes
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["referrer-policy"] == "no-referrer"
    assert rows(deployment) == before


def test_a_browser_with_a_session_goes_to_the_consent_page_and_later_straight_back(
    alice: Person, app: App
):
    assert page(alice.visits(app))[0] == "/consent"
    alice.allows(app)
    back = alice.visits(app)
    assert back.status_code == 303
    assert returned(back).keys() == {"code", "state", "iss"}
    assert app.redeem(code_of(back.headers["location"])).status == 200


def test_a_link_preview_consumes_nothing(alice: Person, app: App):
    """It fetches without the cookie; the browser does the same afterwards, with it."""
    alice.allows(app)
    assert page(visit(alice.deployment, app.request()))[0] == "/sign-in"
    assert "code" in returned(alice.visits(app))


def test_a_post_is_sent_again_as_a_get(alice: Person, app: App):
    """OpenID Connect Core §3.1.2.1. Posted by another site, it has no session cookie."""
    response = alice.deployment.http.post(
        "/oauth2/authorize", data=app.request(state="a b&c"), follow_redirects=False
    )
    assert response.status_code == 303
    location = urlsplit(response.headers["location"])
    assert (location.scheme, location.netloc, location.path) == ("", "", "/oauth2/authorize")
    assert page(visit(alice.deployment, location.query, alice.cookie))[0] == "/consent"


@pytest.mark.parametrize(
    "change", [{"client_id": "unknown"}, {"redirect_uri": "https://x.example"}]
)
def test_an_unknown_client_or_redirect_uri_is_a_page_with_status_400(
    deployment: Deployment, app: App, change: dict[str, str]
):
    """Never a redirect; MCP clients take status 400 to mean that they must register again."""
    response = visit(deployment, app.request(**change))
    assert response.status_code == 400
    assert "location" not in response.headers
    assert "set-cookie" not in response.headers


def test_a_refusal_on_a_page_is_logged_once(deployment: Deployment, app: App):
    with capture_logs() as logged:
        visit(deployment, app.request(redirect_uri="https://x.example"))
    assert [each["event"] for each in logged] == ["authorization_refused"]


def test_every_other_error_is_a_redirect(deployment: Deployment, app: App):
    response = visit(deployment, app.request(code_challenge_method="plain"))
    assert response.status_code == 303
    assert returned(response)["error"] == "invalid_request"
    assert "set-cookie" not in response.headers


def test_a_request_without_pkce_says_what_to_send(deployment: Deployment, app: App):
    s256 = "send code_challenge_method=S256."
    for change, sentence in (
        (
            {"code_challenge": None, "code_challenge_method": None},
            "PKCE is required: send code_challenge and code_challenge_method=S256.",
        ),
        (
            {"code_challenge": None},
            "PKCE is required: send code_challenge and code_challenge_method=S256.",
        ),
        ({"code_challenge_method": "plain"}, f"PKCE with plain is refused: {s256}"),
        (
            {"code_challenge_method": None},
            f"PKCE without code_challenge_method is plain, which is refused: {s256}",
        ),
        ({"code_challenge_method": "S512"}, f"This PKCE method is unknown: {s256}"),
    ):
        answer = returned(visit(deployment, app.request(**change)))
        assert (answer["error"], answer["error_description"]) == ("invalid_request", sentence)


def test_a_state_that_is_too_long_is_not_sent_back(deployment: Deployment, app: App):
    """RFC 6749 §4.1.2.1: a redirect would have to repeat it."""
    longest = visit(deployment, app.request(state="s" * 4096, code_challenge_method="plain"))
    assert returned(longest)["state"] == "s" * 4096
    response = visit(deployment, app.request(state="s" * 4097))
    assert response.status_code == 400
    assert "location" not in response.headers
    assert "s" * 100 not in response.text
    assert "(4,097 characters)" in response.text


def test_parameters_that_are_too_long_together_are_refused_with_the_state(
    deployment: Deployment, app: App
):
    response = visit(deployment, app.request(state="one", nonce="n" * 3000))
    assert returned(response)["error"] == "invalid_request"
    assert returned(response)["state"] == "one"


def test_a_query_that_cannot_be_read_is_a_page(deployment: Deployment, app: App):
    response = visit(deployment, "client_id=%ff")
    assert response.status_code == 400
    too_many = "&".join(f"p{number}=1" for number in range(101))
    assert visit(deployment, too_many).status_code == 400


def keep(deployment: Deployment, jar: dict[str, str], path: str, **parameters: str) -> str:
    """Visit an endpoint with the cookies of `jar`, and change them; the name of the new one."""
    deployment.http.cookies.clear()
    cookies = "; ".join(f"{name}={value}" for name, value in jar.items())
    headers = {"Cookie": cookies} if jar else {}
    response = deployment.http.get(path, params=parameters, headers=headers, follow_redirects=False)
    for line in response.headers.get_list("set-cookie"):
        name, _, value = line.partition(";")[0].partition("=")
        jar.pop(name, None)
        if value.strip('"'):
            jar[name] = value
    return name


def test_a_browser_keeps_five_requests(deployment: Deployment, app: App):
    """One for each tab; older ones, and those that cannot be opened, are removed."""
    jar = {"__Host-request-foreign": "x"}
    for _ in range(7):
        keep(deployment, jar, "/oauth2/authorize", **app.request())
    assert len(jar) == 5
    assert "__Host-request-foreign" not in jar


def test_the_cookies_of_requests_fit_into_a_header(alice: Person, app: App):
    """Of 8 KB, which many servers and proxies accept. The oldest are removed."""
    bye = "https://app.example/bye"
    with alice.deployment.changing() as work:
        work.clients.update("app", {"post_logout_redirect_uris": [bye]})
    random, jar = Random(1), {"__Host-session": alice.cookie}
    logout = {"client_id": "app", "post_logout_redirect_uri": bye, "state": text(random, 900)}
    made = [keep(alice.deployment, jar, "/oauth2/logout", **logout)]
    for length in (10, 600, 1500, 1500, 10, 2000):
        alice.deployment.clock.move(timedelta(seconds=1))
        request = app.request(nonce=text(random, length), prompt="login")
        made.append(keep(alice.deployment, jar, "/oauth2/authorize", **request))
        assert sum(len(f"{name}={value}; ") for name, value in jar.items()) < 6_200
        kept = [name for name in made if name in jar]
        assert kept == made[-len(kept) :]
    assert len(kept) == 3


def text(random: Random, length: int) -> str:
    """Which cannot be compressed much."""
    return "".join(random.choices(ascii_letters + digits, k=length))


def test_the_code_cannot_be_guessed_from_what_is_stored(alice: Person, app: App):
    code = alice.allows(app)
    with alice.deployment.services.database.reading() as session:
        stored = session.scalars(select(AuthorizationCodeRow)).one()
    assert code not in repr(vars(stored))
    assert len(stored.digest) == 32


def test_a_downgrade_of_pkce_gives_no_code(alice: Person, app: App):
    """RFC 9700 §2.1.1: whatever is left out or replaced on the way."""
    alice.allows(app)
    for change in (
        {"code_challenge": None, "code_challenge_method": None},
        {"code_challenge_method": None},
        {"code_challenge_method": "plain"},
        {"code_challenge": challenge()[:-1]},
    ):
        assert "code" not in returned(alice.visits(app, **change))


def test_an_answer_names_its_issuer(alice: Person, app: App):
    """RFC 9207: against mix-up, in errors as well."""
    alice.allows(app)
    assert returned(alice.visits(app))["iss"] == URL
    assert returned(alice.visits(app, response_type="token"))["iss"] == URL
