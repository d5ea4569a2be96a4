"""What `/metrics` counts of people, applications and registrations."""

import pytest

from issuer.federation.fetching import HttpAnswer
from issuer.rate_limits.request_limits import PER_NETWORK
from issuer.status.report import server_status
from tests.builders import PASSWORD, Deployment
from tests.sign_in.authorizing import CALLBACK, App, returned
from tests.sign_in.fake_provider import COMPANY, FakeProvider, begin
from tests.sign_in.people import AuthenticatorApp, People
from tests.test_metrics import BEARER, TOKEN, Scraper, scraper
from tests.web.browsing import Browser, PageSeen
from tests.web.test_passkeys import Script, script

__all__ = ["scraper", "script"]

SETTINGS = {"metrics_token": TOKEN, "client_registration": "open"}

pytestmark = [
    pytest.mark.parametrize("database_kind", ["sqlite"]),
    pytest.mark.parametrize("more_settings", [SETTINGS], ids=["metrics"]),
]


def counted(scraper: Scraper, name: str) -> dict[tuple[str, ...], float]:
    """The series that are not 0, by the values of their labels."""
    return {
        tuple(value for _, value in sorted(labels)): number
        for labels, number in scraper.of(name).items()
        if number
    }


def test_every_check_of_a_sign_in_is_counted(
    browser: Browser, people: People, alice: str, scraper: Scraper
):
    phone: AuthenticatorApp = people.app_of(alice)
    browser.sign_in(password="wrong")
    browser.sign_in("nobody", "wrong")
    page = browser.follow(browser.sign_in())
    browser.submit(page, "/sign-in/second-factor", code="000000")
    browser.submit(page, "/sign-in/second-factor", code=phone.code())
    assert counted(scraper, "issuer_sign_in_checks_total") == {
        ("password", "refused"): 2,
        ("password", "succeeded"): 1,
        ("code", "refused"): 1,
        ("code", "succeeded"): 1,
    }


def test_a_provider_that_is_away_is_counted_as_that(
    deployment: Deployment, browser: Browser, scraper: Scraper
):
    provider = FakeProvider.trusted(deployment, provision=True)
    there = provider.authorize(begin(browser))
    provider.endpoints["/token"] = lambda: HttpAnswer(502, b"<html>")
    assert browser.get(there).status == 503
    assert counted(scraper, "issuer_sign_in_checks_total") == {("provider", "unavailable"): 1}
    found = server_status(deployment.services.running([]))
    problem = f"{COMPANY}/token answered 502."
    assert [(each.issuer, each.problem) for each in found.providers] == [(COMPANY, problem)]
    assert f"{COMPANY}: {problem}" in [each.problem for each in found.attention]
    del provider.endpoints["/token"]
    provider.claims |= {"preferred_username": "carol"}
    assert browser.get(provider.authorize(begin(browser))).location == "/account"
    assert counted(scraper, "issuer_sign_in_checks_total") == {
        ("provider", "unavailable"): 1,
        ("provider", "succeeded"): 1,
    }
    assert server_status(deployment.services.running([])).providers == []


def test_passkeys_are_counted_alone_and_as_a_second_factor(
    browser: Browser, script: Script, scraper: Scraper
):
    script.sign_in()
    browser.submit(browser.get("/sign-out"), "/sign-out")
    page = browser.follow(browser.sign_in())
    script.send(page, "/passkeys/second-factor", "/sign-in/second-factor", answer="{}")
    checks = counted(scraper, "issuer_sign_in_checks_total")
    assert checks[("passkey", "succeeded")] == 1
    assert checks[("passkey", "refused")] == 1


def test_authorization_codes_are_counted_and_so_are_refusals_by_their_error(
    browser: Browser, alice: str, app: App, asked: PageSeen, scraper: Scraper
):
    page = browser.submit(browser.follow(asked), "/sign-in", username="alice", password=PASSWORD)
    consent = browser.follow(page)
    allowed = browser.submit(consent, "/consent", decision="allow")
    code = returned(allowed.response)["code"]
    assert app.redeem(code).status == 200
    assert app.redeem(code).error == "invalid_grant"
    again = browser.follow(browser.get("/oauth2/authorize", **app.request(prompt="consent")))
    assert returned(browser.submit(again, "/consent", decision="deny").response)["error"]
    browser.get("/oauth2/authorize", **app.request(response_type="made-up"))
    browser.get("/oauth2/authorize", **app.request(client_id="made-up"))
    browser.get("/oauth2/authorize", **app.request(redirect_uri="https://made-up.example/"))
    assert counted(scraper, "issuer_authorization_codes_issued_total") == {(): 1}
    assert counted(scraper, "issuer_authorization_requests_refused_total") == {
        ("access_denied",): 1,
        ("unsupported_response_type",): 1,
        ("invalid_request",): 2,
    }
    assert counted(scraper, "issuer_tokens_issued_total") == {("authorization_code",): 1}
    assert "made-up" not in scraper.text()


def test_registrations_are_counted_and_so_are_refusals_by_their_error(
    deployment: Deployment, scraper: Scraper
):
    def register(uri: str) -> int:
        body = {"redirect_uris": [uri]}
        return deployment.http.post("/oauth2/register", json=body).status_code

    assert register("http://made-up.example/") == 400
    statuses = [register(CALLBACK) for _ in range(PER_NETWORK.most)]
    assert counted(scraper, "issuer_clients_registered_total") == {(): statuses.count(201)}
    assert counted(scraper, "issuer_client_registrations_refused_total") == {
        ("invalid_redirect_uri",): 1,
        ("too_many_requests",): 1,
    }
    assert "made-up" not in scraper.text()


def series(scraper: Scraper) -> set[object]:
    """All but those of a route, which start with its first request."""
    return {each for each in scraper.samples() if not str(each[0]).startswith("issuer_http_")}


def test_series_start_at_zero(deployment: Deployment, scraper: Scraper):
    before = series(scraper)
    assert len(scraper.of("issuer_sign_in_checks_total")) == 16
    assert deployment.http.get("/oauth2/authorize").status_code == 400
    assert series(scraper) == before
    assert deployment.http.get("/metrics", headers=BEARER).status_code == 200
