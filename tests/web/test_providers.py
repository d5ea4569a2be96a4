"""Signing in with an account of a trusted issuer."""

import json
from base64 import urlsafe_b64decode
from collections.abc import Callable
from datetime import timedelta
from secrets import token_urlsafe
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from sqlalchemy import func, select

from issuer.database.tables import KnownAddressRow
from issuer.federation import FetchBudget
from issuer.federation.fetching import HttpAnswer
from tests.builders import PASSWORD, URL, Deployment
from tests.captured_logs import capture_logs
from tests.drivers import TokenDriver
from tests.oauth.refreshing import events
from tests.rows import rows
from tests.sign_in.authorizing import App, returned, sign_in
from tests.sign_in.fake_provider import (
    CALLBACK,
    COMPANY,
    SECRET,
    FakeProvider,
    as_json,
    begin,
    reasons,
    refusing,
    sign_in_elsewhere,
)
from tests.sign_in.people import People
from tests.trusting import OtherIssuer
from tests.web.browsing import Browser, PageSeen

SESSION = "__Host-session"


@pytest.fixture
def provider(deployment: Deployment) -> FakeProvider:
    return FakeProvider.trusted(deployment)


@pytest.fixture
def linked(provider: FakeProvider, alice: str) -> FakeProvider:
    """The account of alice there is linked here."""
    provider.link(alice)
    return provider


def parameters(location: str) -> dict[str, str]:
    return dict(parse_qsl(urlsplit(location).query))


def now(deployment: Deployment) -> int:
    return int(deployment.clock().timestamp())


def test_a_linked_person_signs_in(deployment: Deployment, browser: Browser, linked: FakeProvider):
    page = sign_in_elsewhere(browser, linked)
    assert page.location == "/account"
    assert "Alice Example" in browser.follow(page).text
    (began,) = events(deployment, "session.began")
    assert began.details["identity"].startswith("idn_")


def test_the_request_has_everything_that_binds_the_answer(browser: Browser, linked: FakeProvider):
    location = begin(browser)
    assert location.startswith(f"{COMPANY}/authorize?")
    sent, other = parameters(location), parameters(begin(browser))
    assert sent["redirect_uri"] == f"{URL}{CALLBACK}"
    assert (sent["response_type"], sent["client_id"]) == ("code", "issuer")
    assert sent["code_challenge_method"] == "S256"
    assert sent["scope"].split() == ["openid", "profile", "email"]
    assert {"prompt", "max_age", "login_hint"}.isdisjoint(sent)
    for name in ("state", "nonce", "code_challenge"):
        assert sent[name] != other[name]


def test_no_secret_is_in_a_url_or_readable_in_a_cookie(browser: Browser, linked: FakeProvider):
    location = begin(browser)
    assert SECRET not in location
    ((name, kept),) = [each for each in browser.cookies.items() if "provider-" in each[0]]
    assert name == f"__Host-provider-{parameters(location)['state']}"
    assert parameters(location)["nonce"] not in kept
    assert browser.get(linked.authorize(location)).location == "/account"
    assert name not in browser.cookies


def test_the_authorization_request_goes_on_after_the_sign_in(
    browser: Browser, linked: FakeProvider, app: App, asked: PageSeen
):
    page = sign_in_from(browser, linked, asked.location)
    assert page.location.startswith("/consent?request=")
    allowed = browser.submit(browser.get(page.location), "/consent", decision="allow")
    assert returned(allowed.response)["state"] == "af0ifjsldkj"
    claims = claims_of(app, returned(allowed.response)["code"])
    assert claims["scope"]


def sign_in_from(
    browser: Browser, provider: FakeProvider, path: str, **answer: str | None
) -> PageSeen:
    form = browser.get(path).form("/sign-in/with").fields
    sent = browser.post("/sign-in/with", {**form, "issuer": "company"})
    return browser.get(provider.authorize(sent.location, **answer))


def claims_of(app: App, code: str) -> dict[str, Any]:
    answer = app.redeem(code)
    assert answer.status == httpx.codes.OK, answer.body
    return app.endpoint.claims(answer)


@pytest.mark.parametrize("path", ["/console", "/account/authenticator"])
def test_the_page_that_was_wanted_is_kept(browser: Browser, linked: FakeProvider, path: str):
    asked = browser.get(path)
    assert sign_in_from(browser, linked, asked.location).location == path


def test_a_request_that_is_too_large_for_a_cookie_ends_at_a_page_that_says_so(
    browser: Browser, linked: FakeProvider, app: App
):
    """The person is signed in, and the next request of the application goes on."""
    asked = browser.get("/oauth2/authorize", **app.request(state=token_urlsafe(3_000)))
    page = sign_in_from(browser, linked, asked.location)
    assert "There is nothing to continue here" in page.text
    assert SESSION in browser.cookies


def id_token(app: App, browser: Browser, provider: FakeProvider) -> dict[str, Any]:
    asked = browser.get("/oauth2/authorize", **app.request(resource="my-os", scope="openid"))
    page = sign_in_from(browser, provider, asked.location)
    allowed = browser.submit(browser.get(page.location), "/consent", decision="allow")
    answer = app.redeem(returned(allowed.response)["code"])
    text = answer.body["id_token"].split(".")[1]
    return json.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4)))


def test_how_and_when_the_person_signed_in_is_passed_on(
    deployment: Deployment, browser: Browser, linked: FakeProvider, app: App
):
    at = now(deployment) - 3_000
    linked.claims |= {"amr": ["pwd", "hwk"], "acr": "phr", "auth_time": at}
    claims = id_token(app, browser, linked)
    assert (claims["amr"], claims["acr"]) == (["pwd", "hwk", "mfa"], "phr")
    assert claims["auth_time"] == at


def test_nothing_is_said_of_how_if_the_issuer_does_not_say(
    browser: Browser, linked: FakeProvider, app: App
):
    assert {"amr", "acr"}.isdisjoint(id_token(app, browser, linked))


def signed_by(other: OtherIssuer) -> Callable[[FakeProvider], None]:
    def lie(provider: FakeProvider) -> None:
        provider.signer = OtherIssuer(COMPANY, other.alg, provider.other.kid, other.key)

    return lie


def changing(**claims: Any) -> Callable[[FakeProvider], None]:
    def lie(provider: FakeProvider) -> None:
        at = now(provider.deployment)
        provider.changed = {
            name: value(at) if callable(value) else value for name, value in claims.items()
        }

    return lie


def with_header(**members: Any) -> Callable[[FakeProvider], None]:
    return lambda provider: provider.header.update(members)


def edited(edit: Callable[[str], str]) -> Callable[[FakeProvider], None]:
    def lie(provider: FakeProvider) -> None:
        provider.edit = edit

    return lie


def saying(path: str, answer: Callable[[], HttpAnswer]) -> Callable[[FakeProvider], None]:
    def lie(provider: FakeProvider) -> None:
        provider.endpoints[path] = answer

    return lie


def with_user_info(**claims: Any) -> Callable[[FakeProvider], None]:
    def lie(provider: FakeProvider) -> None:
        provider.user_info = claims

    return lie


UNSIGNED = "eyJhbGciOiJub25lIn0"
LIES: dict[str, tuple[Callable[[FakeProvider], None], str]] = {
    "iss": (changing(iss="https://evil.example"), "iss is another issuer"),
    "aud": (changing(aud="another-client"), "aud is not the client here"),
    "aud of nobody": (changing(aud=None), "aud is not the client here"),
    "aud that is no text": (changing(aud=["issuer", 1]), "aud is not the client here"),
    "several aud": (changing(aud=["issuer", "other"]), "azp is not the client here"),
    "azp": (changing(azp="other"), "azp is not the client here"),
    "expired": (changing(exp=lambda at: at - 1), "it has expired"),
    "no exp": (changing(exp=None), "exp is missing"),
    "no iat": (changing(iat=None), "iat is missing"),
    "iat in the future": (changing(iat=lambda at: at + 60), "iat is in the future"),
    "nonce": (changing(nonce="another"), "nonce is not the one that was sent"),
    "no nonce": (changing(nonce=None), "nonce is not the one that was sent"),
    "nonce that is no text": (changing(nonce=1), "nonce is not the one that was sent"),
    "no sub": (changing(sub=None), "sub is missing"),
    "sub that is no text": (changing(sub=["00u1a2b3"]), "sub is missing"),
    "long sub": (
        lambda provider: provider.claims.update(sub="s" * 256),
        "sub is not a text of 1 to 255",
    ),
    "at_hash": (changing(at_hash="AAAA"), "at_hash is not that of the access token"),
    "an access token": (with_header(typ="at+jwt"), "typ is that of another kind of token"),
    "a logout token": (with_header(typ="logout+jwt"), "typ is that of another kind of token"),
    "typ that is no text": (with_header(typ=1), "typ is that of another kind of token"),
    "crit": (with_header(crit=["x"]), "not a JWT"),
    "another key": (signed_by(OtherIssuer.new(alg="ES256")), "the signature is wrong"),
    "another algorithm": (signed_by(OtherIssuer.new(alg="RS256")), "no key of this kid"),
    "unsigned": (edited(lambda t: f"{UNSIGNED}.{t.split('.')[1]}."), "no key of this kid"),
    "cut": (edited(lambda t: t[:-5]), "the ID token: "),
    "not a JWT": (edited(lambda _: "id-token"), "not a JWT"),
    "no ID token": (edited(lambda _: ""), "not a JWT"),
    "huge": (changing(padding="x" * 20_000), "not a JWT"),
    "10,000 groups": (
        changing(groups=[f"group-{i}" for i in range(10_000)]),
        "not a JWT",
    ),
    "user info of somebody else": (with_user_info(sub="somebody-else"), "sub of user info"),
    "user info without sub": (with_user_info(sub=None), "sub of user info"),
    "user info that is a list": (
        saying("/userinfo", lambda: as_json([])),
        "not answer with a JSON",
    ),
    "user info that is no JSON": (
        saying("/userinfo", lambda: HttpAnswer(200, b"{")),
        "did not answer with JSON",
    ),
    "no user info": (saying("/userinfo", lambda: as_json({}, 403)), "answered 403"),
    "an error": (
        saying("/token", lambda: as_json({"error": "invalid_client\nforged line"}, 401)),
        "the token endpoint answered invalid_clientforged line",
    ),
    "a page": (saying("/token", lambda: HttpAnswer(200, b"<html>")), "not answer with a JSON"),
    "a list": (saying("/token", lambda: as_json([])), "not answer with a JSON"),
    "no access token": (saying("/token", lambda: as_json({"a": 1})), "gave no access token"),
    "a member twice": (
        saying("/token", lambda: HttpAnswer(200, b'{"id_token": "a", "id_token": "b"}')),
        "not answer with a JSON",
    ),
}


@rows(("lie", "reason"), LIES)
def test_a_provider_that_lies_signs_nobody_in(
    shared: Deployment, lie: Callable[[FakeProvider], None], reason: str
):
    """OpenID Connect Core §3.1.3.7, RFC 8725: a page, and the reason in the audit log."""
    provider, browser = company_of(shared), Browser(shared.http)
    lie(provider)
    before = len(reasons(shared))
    page = sign_in_elsewhere(browser, provider)
    assert page.status == httpx.codes.BAD_REQUEST
    assert "could not be signed in" in page.text
    assert SESSION not in browser.cookies
    (found,) = reasons(shared)[before:]
    assert reason in (found or "")
    assert "at-the-company" not in page.text


def company_of(shared: Deployment) -> FakeProvider:
    """Trusted once in the deployment, and honest again."""
    providers = shared.services.provider_sign_in._providers
    if isinstance(providers._fetcher, FakeProvider):
        known = providers._fetcher
    else:
        known = FakeProvider.trusted(shared, groups_claim="groups")
        shared.role("reader", ["agents:read"])
        known.link(shared.user("alice", ["reader"]))
    shared.wait(timedelta(minutes=1))
    honest = FakeProvider(shared, known.other)
    providers._fetcher = honest
    return honest


def test_an_honest_provider_passes_the_same_checks(shared: Deployment):
    provider, browser = company_of(shared), Browser(shared.http)
    provider.claims |= {"azp": "issuer", "aud": ["issuer", "other"], "groups": []}
    assert sign_in_elsewhere(browser, provider).location == "/account"
    assert [url for _, url, _, _ in provider.asked if url.endswith("/userinfo")] != []


WRONG_ANSWERS: dict[str, tuple[dict[str, str | None], str]] = {
    "no state": ({"state": None}, "of no sign-in that this browser began"),
    "a made-up state": ({"state": "a" * 20}, "of no sign-in that this browser began"),
    "no iss": ({"iss": None}, "iss of the answer is not the trusted issuer"),
    "another iss": ({"iss": "https://evil.example"}, "iss of the answer is not"),
    "no code": ({"code": None}, "code is not a text"),
    "a wrong code": ({"code": "guessed"}, "the token endpoint answered invalid_grant"),
    "declined": ({"code": None, "error": "access_denied"}, "the provider answered access_denied"),
}


@rows(("answer", "reason"), WRONG_ANSWERS)
def test_an_answer_counts_only_if_all_of_it_fits(
    shared: Deployment, answer: dict[str, str | None], reason: str
):
    provider, browser = company_of(shared), Browser(shared.http)
    before = len(reasons(shared))
    if answer.get("code") == "guessed":
        provider.codes["guessed"] = {"code_challenge": "of another sign-in"}
    page = sign_in_elsewhere(browser, provider, **answer)
    assert page.status == httpx.codes.BAD_REQUEST
    assert SESSION not in browser.cookies
    (found,) = reasons(shared)[before:]
    assert reason in (found or "")


def test_an_issuer_that_promises_no_iss_need_not_send_it(browser: Browser, linked: FakeProvider):
    """RFC 9207 §2.4."""
    linked.metadata["authorization_response_iss_parameter_supported"] = False
    assert sign_in_elsewhere(browser, linked, iss=None).location == "/account"


def test_an_answer_counts_only_in_the_browser_that_asked(
    deployment: Deployment, browser: Browser, linked: FakeProvider
):
    """A stolen state opens nothing, and nobody is signed in as somebody else (login CSRF)."""
    attacker, path = Browser(browser._http), linked.authorize(begin(browser))
    page = attacker.get(path)
    assert "begun in another browser" in page.text
    assert SESSION not in attacker.cookies
    assert browser.get(path).location == "/account"


def test_an_answer_counts_once(browser: Browser, linked: FakeProvider):
    """Also if the browser kept its cookie, and the provider would take the code twice."""
    location = begin(browser)
    cookies, path = dict(browser.cookies), linked.authorize(location)
    assert browser.get(path).location == "/account"
    browser.cookies |= cookies
    linked.codes["code-0"] = parameters(location)
    assert "cannot be finished here" in browser.get(path).text


def test_an_answer_counts_for_ten_minutes(
    deployment: Deployment, browser: Browser, linked: FakeProvider
):
    path = linked.authorize(begin(browser))
    deployment.clock.move(timedelta(minutes=10))
    assert "cannot be finished here" in browser.get(path).text


def test_an_answer_at_the_address_of_another_issuer_does_not_count(
    deployment: Deployment, browser: Browser, linked: FakeProvider
):
    """Mix-up: a code that one issuer gave is never sent to another (RFC 9700 §4.4)."""
    FakeProvider.trusted(deployment, "evil", "https://evil.example")
    deployment.services.provider_sign_in._providers._fetcher = linked
    path = linked.authorize(begin(browser)).replace("/company?", "/evil?")
    asked = len(linked.asked)
    assert "cannot be finished here" in browser.get(path).text
    assert len(linked.asked) == asked
    assert reasons(deployment) == ["the state is of a sign-in at another trusted issuer"]


def test_a_few_sign_ins_go_on_at_a_time(
    deployment: Deployment, browser: Browser, linked: FakeProvider
):
    """As of several tabs: the oldest ones are forgotten."""
    paths = []
    for _ in range(7):
        paths.append(linked.authorize(begin(browser)))
        deployment.clock.move(timedelta(seconds=1))
    kept = [each for each in browser.cookies if "provider-" in each]
    assert len(kept) == 5
    assert "cannot be finished here" in browser.get(paths[0]).text
    assert browser.get(paths[6]).location == "/account"


def test_a_disabled_issuer_signs_nobody_in_any_more(browser: Browser, linked: FakeProvider):
    path = linked.authorize(begin(browser))
    linked.change(disabled=True)
    assert browser.get(path).status == httpx.codes.BAD_REQUEST
    assert "Continue with" not in browser.get("/sign-in").text


def test_somebody_without_a_user_is_told_what_to_do(
    deployment: Deployment, browser: Browser, provider: FakeProvider
):
    page = sign_in_elsewhere(browser, provider)
    assert "Ask whoever runs this issuer for an invitation" in page.text
    assert "no user is linked to the account" in (reasons(deployment)[0] or "")


def test_a_user_is_provisioned_with_the_roles_of_the_groups(
    deployment: Deployment, browser: Browser, provider: FakeProvider, alice: str
):
    roles = [{"group": "staff", "role": "reader", "audience": "my-os"}]
    provider.change(sign_in={"provision": True, "groups_claim": "groups", "roles": roles})
    provider.claims |= {"groups": ["staff"]}
    provider.user_info = {"preferred_username": "carol", "name": "Carol"}
    page = browser.follow(sign_in_elsewhere(browser, provider))
    assert "Carol" in page.text
    with deployment.services.administration.reading() as work:
        user = work.users.get_by_username("carol")
        assert [each.issuer for each in work.identities.of_user(user.id)] == ["company"]


@rows(
    ("claims", "reason"),
    [
        ({"groups": "staff"}, None),
        ({}, "the answer had no claim groups"),
        ({"groups": {"staff": True}}, "groups is not a list of at most 1000 groups"),
        ({"groups": ["g"] * 1_001}, "groups is not a list of at most 1000 groups"),
        ({"groups": ["staff", 7]}, "groups holds a group that is no text of 255 characters"),
        ({"groups": ["staff" * 52]}, "groups holds a group that is no text of 255 characters"),
        ({"groups": [["staff"]]}, "groups holds a group that is no text of 255 characters"),
        (
            {"_claim_names": {"groups": "src1"}},
            "the answer has too many groups and leaves out groups",
        ),
    ],
)
def test_whatever_the_claim_of_groups_is_the_person_is_signed_in(
    shared: Deployment, claims: dict[str, Any], reason: str | None
):
    """Without roles, if it is not a list of texts. The audit event has the reason."""
    provider, browser = company_of(shared), Browser(shared.http)
    provider.change(sign_in={"provision": True})
    provider.claims |= {"preferred_username": "carol", **claims}
    assert sign_in_elsewhere(browser, provider).location == "/account"
    assert events(shared, "session.began")[-1].details.get("reason") == reason


def test_a_user_of_that_name_is_never_taken_over(
    deployment: Deployment, browser: Browser, provider: FakeProvider, alice: str
):
    """Nor by an e-mail address: a person is known by issuer and subject alone."""
    provider.change(sign_in={"provision": True})
    provider.claims |= {"preferred_username": "alice", "email": "alice@example.com"}
    assert "the two are not linked" in sign_in_elsewhere(browser, provider).text
    assert SESSION not in browser.cookies


def test_a_subject_that_changed_is_somebody_else(browser: Browser, linked: FakeProvider):
    linked.claims["sub"] = "another"
    assert "no user here is linked" in sign_in_elsewhere(browser, linked).text


def test_required_claims_are_required(
    deployment: Deployment, browser: Browser, linked: FakeProvider
):
    linked.change(sign_in={"required_claims": {"hd": "company.example"}})
    linked.claims["hd"] = "gmail.com"
    assert "may not be used here" in sign_in_elsewhere(browser, linked).text
    linked.claims["hd"] = "company.example"
    assert sign_in_elsewhere(browser, linked).location == "/account"


def test_user_info_cannot_say_how_somebody_signed_in(
    browser: Browser, linked: FakeProvider, app: App
):
    linked.user_info = {"amr": ["mfa"], "acr": "phr", "auth_time": 1, "preferred_username": "a"}
    assert {"amr", "acr"}.isdisjoint(id_token(app, browser, linked))


def test_user_info_is_asked_only_for_what_is_missing(browser: Browser, linked: FakeProvider):
    linked.claims["preferred_username"] = "alice"
    sign_in_elsewhere(browser, linked)
    assert [url.rpartition("/")[2] for _, url, _, _ in linked.asked] == [
        "openid-configuration",
        "token",
    ]


def test_the_second_factor_here_is_asked_for(
    browser: Browser, linked: FakeProvider, alice: str, people: People
):
    app = people.app_of(alice)
    page = sign_in_elsewhere(browser, linked)
    assert page.location == "/sign-in/second-factor"
    done = browser.submit(browser.get(page.location), "/sign-in/second-factor", code=app.code())
    assert done.location == "/account"


@pytest.mark.parametrize("claims", [{"amr": ["mfa"]}, {"acr": "phr"}])
def test_a_second_factor_there_is_enough(
    browser: Browser, linked: FakeProvider, alice: str, people: People, claims: dict[str, Any]
):
    people.app_of(alice)
    linked.claims |= claims
    assert sign_in_elsewhere(browser, linked).location == "/account"


@pytest.mark.parametrize("more_settings", [{"second_factor": "required"}])
def test_a_required_second_factor_may_be_the_one_there(browser: Browser, linked: FakeProvider):
    page = sign_in_elsewhere(browser, linked)
    assert page.location == "/sign-in/authenticator"
    linked.claims["amr"] = ["pwd", "mfa"]
    assert sign_in_elsewhere(Browser(browser._http), linked).location == "/account"


def test_a_fresh_sign_in_is_asked_for_and_checked(
    deployment: Deployment, browser: Browser, linked: FakeProvider
):
    """For somebody who only has the account there."""
    linked.claims["auth_time"] = now(deployment) - 3_600
    sign_in_elsewhere(browser, linked)
    asked = browser.get("/account/authenticator")
    form = browser.get(asked.location).form("/sign-in/with").fields
    location = browser.post("/sign-in/with", {**form, "issuer": "company"}).location
    assert (parameters(location)["prompt"], parameters(location)["max_age"]) == ("login", "0")
    assert "sign-in of just now" in browser.get(linked.authorize(location)).text
    linked.claims["auth_time"] = now(deployment)
    page = sign_in_from(browser, linked, asked.location)
    assert page.location == "/account/authenticator"
    assert browser.get(page.location).status == httpx.codes.OK


def test_a_sign_in_at_an_unknown_time_is_not_fresh(browser: Browser, linked: FakeProvider):
    sign_in_elsewhere(browser, linked)
    assert browser.get("/account/authenticator").location.startswith("/sign-in?next=")


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        ({"prompt": "login"}, {"prompt": "login", "max_age": "0"}),
        ({"max_age": "60"}, {"max_age": "60"}),
    ],
)
def test_what_the_application_asks_of_the_sign_in_is_asked_there(
    deployment: Deployment,
    browser: Browser,
    linked: FakeProvider,
    app: App,
    asked: dict[str, str],
    sent: dict[str, str],
):
    request = app.request(resource="my-os", login_hint="alice@company.example", **asked)
    path = browser.get("/oauth2/authorize", **request).location
    form = browser.get(path).form("/sign-in/with").fields
    location = browser.post("/sign-in/with", {**form, "issuer": "company"}).location
    hint = {"login_hint": "alice@company.example"}
    assert sent.items() | hint.items() <= parameters(location).items()
    linked.claims["auth_time"] = now(deployment) - 61
    assert "sign-in of just now" in browser.get(linked.authorize(location)).text
    linked.claims["auth_time"] = now(deployment)
    page = browser.get(path)
    assert sign_in_from(browser, linked, path).location.startswith("/consent?")
    assert page.status == httpx.codes.OK


UNREACHABLE: dict[str, Callable[[FakeProvider], None]] = {
    "no metadata": saying("/.well-known/openid-configuration", refusing("It did not answer.")),
    "an error": saying("/.well-known/openid-configuration", lambda: as_json({}, 500)),
    "of another issuer": saying(
        "/.well-known/openid-configuration", lambda: as_json({"issuer": "https://evil.example"})
    ),
    "no JSON": saying("/.well-known/openid-configuration", lambda: HttpAnswer(200, b"<html>")),
    "an unsafe endpoint": lambda provider: provider.metadata.update(
        token_endpoint="http://10.0.0.1/token"
    ),
    "no endpoint": lambda provider: provider.metadata.update(authorization_endpoint=None),
}


@rows("breakage", UNREACHABLE)
def test_a_provider_that_is_away_is_said_so(
    deployment: Deployment, breakage: Callable[[FakeProvider], None]
):
    provider = company_of(deployment)
    deployment.services.provider_sign_in._providers._metadata.clear()
    deployment.services.provider_sign_in._providers._failed_at.clear()
    breakage(provider)
    browser = Browser(deployment.http)
    page = browser.submit(browser.get("/sign-in"), "/sign-in/with", issuer="company")
    assert page.status == httpx.codes.SERVICE_UNAVAILABLE
    assert "company cannot be reached" in page.text
    assert browser.sign_in().location == "/account"


def test_a_provider_that_goes_away_meanwhile_changes_nothing(
    browser: Browser, linked: FakeProvider
):
    assert browser.sign_in().location == "/account"
    path = linked.authorize(begin_switching(browser))
    linked.endpoints["/token"] = refusing(
        "https://login.company.example did not answer within 5 s."
    )
    page = browser.get(path)
    assert page.status == httpx.codes.SERVICE_UNAVAILABLE
    assert browser.get("/account").status == httpx.codes.OK


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_the_log_has_the_cause_where_too_many_people_wait(
    deployment: Deployment, browser: Browser, linked: FakeProvider
):
    providers = deployment.services.provider_sign_in._providers
    paths = [linked.authorize(begin(browser)) for _ in range(2)]
    cause = "https://login.company.example did not answer within 5 s."
    linked.endpoints["/token"] = refusing(cause)
    providers._budget = budget = FetchBudget(deployment.clock, at_once=1)
    with capture_logs() as logs:
        assert browser.get(paths[0]).status == httpx.codes.SERVICE_UNAVAILABLE
        with budget.place():
            assert browser.get(paths[1]).status == httpx.codes.SERVICE_UNAVAILABLE
    lines = [line for line in logs if line["event"] == "provider_unavailable"]
    assert [line["trusted_issuer"] for line in lines] == ["company", "company"]
    assert lines[0]["reason"] == cause
    assert lines[1]["reason"].endswith(f"The last request failed: {cause}")


def begin_switching(browser: Browser) -> str:
    page = browser.get("/sign-in?switch=1")
    return browser.submit(page, "/sign-in/with", issuer="company").location


def test_metadata_is_read_hourly_and_kept_for_a_day(
    deployment: Deployment, browser: Browser, linked: FakeProvider
):
    begin(browser)
    begin(browser)
    assert len(linked.asked) == 1
    linked.endpoints["/.well-known/openid-configuration"] = refusing("It did not answer.")
    deployment.clock.move(timedelta(hours=23))
    begin(browser)
    begin(browser)
    assert len(linked.asked) == 2  # it is not tried again for five seconds
    deployment.clock.move(timedelta(hours=1))
    page = browser.submit(browser.get("/sign-in"), "/sign-in/with", issuer="company")
    assert page.status == httpx.codes.SERVICE_UNAVAILABLE


_BOTH = ["client_secret_post", "client_secret_basic"]
CLIENTS: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "basic": ({}, {}, "Basic"),
    "both": (
        {},
        {"token_endpoint_auth_methods_supported": _BOTH},
        "Basic",
    ),
    "post": ({}, {"token_endpoint_auth_methods_supported": ["client_secret_post"]}, "post"),
    "public": ({"client_secret": ""}, {}, "public"),
}


@rows(("sign_in", "metadata", "method"), CLIENTS)
def test_the_issuer_authenticates_as_the_provider_wants_it(
    deployment: Deployment, sign_in: dict[str, Any], metadata: dict[str, Any], method: str
):
    provider = company_of(deployment)
    provider.change(sign_in={"client_secret": SECRET, **sign_in})
    provider.metadata = metadata
    deployment.services.provider_sign_in._providers._metadata.clear()
    assert sign_in_elsewhere(Browser(deployment.http), provider).location == "/account"
    (asked,) = [each for each in provider.asked if each[1].endswith("/token")]
    _, _, headers, body = asked
    sent = dict(parse_qsl(body))
    assert ("Authorization" in headers) == (method == "Basic")
    assert sent.get("client_secret") == (SECRET if method == "post" else None)
    assert sent.get("client_id") == ("issuer" if method != "Basic" else None)


def test_guesses_of_codes_are_limited_like_wrong_passwords(
    deployment: Deployment, browser: Browser, linked: FakeProvider
):
    pages = [browser.get(f"{CALLBACK}?state={'a' * 20}&code=x") for _ in range(61)]
    assert pages[59].status == httpx.codes.BAD_REQUEST
    assert pages[60].status == httpx.codes.TOO_MANY_REQUESTS
    assert int(pages[60].response.headers["Retry-After"]) > 0


def test_only_one_way_to_sign_in_goes_straight_there(
    deployment: Deployment, browser: Browser, linked: FakeProvider, app: App
):
    linked.change(sign_in={"only": True})
    asked = browser.get("/oauth2/authorize", **app.request(resource="my-os"))
    sent = browser.get(asked.location)
    assert sent.location.startswith(f"{COMPANY}/authorize?")
    assert browser.get(linked.authorize(sent.location)).location.startswith("/consent?")


def test_after_a_sign_out_nobody_is_sent_there_unasked(
    deployment: Deployment, browser: Browser, linked: FakeProvider
):
    linked.change(sign_in={"only": True})
    browser.get(linked.authorize(browser.get("/sign-in").location))
    browser.submit(browser.get("/sign-out"), "/sign-out")
    page = browser.get("/sign-in")
    assert page.status == httpx.codes.OK
    assert "User name" not in page.text
    assert begin(browser).startswith(COMPANY)
    deployment.clock.move(timedelta(minutes=10))


def test_an_error_there_leads_to_a_page_and_not_there_again(browser: Browser, linked: FakeProvider):
    linked.change(sign_in={"only": True})
    path = linked.authorize(browser.get("/sign-in").location, code=None, error="login_required")
    page = browser.get(path)
    assert (page.status, "You did not sign in at company" in page.text) == (400, True)
    assert 'href="/sign-in?local=1"' in page.response.text


def test_an_application_that_wants_a_newer_sign_in_makes_no_loop(
    deployment: Deployment, browser: Browser, linked: FakeProvider, app: App
):
    """The user is another than that of the ID token that the application showed."""
    linked.change(sign_in={"only": True})
    bob = deployment.user("bob", ["reader"])
    hint = sign_in_elsewhere_as(deployment, app, bob)
    linked.claims["auth_time"] = now(deployment) - 60
    asked = browser.get("/oauth2/authorize", **app.request(resource="my-os", id_token_hint=hint))
    page = browser.get(linked.authorize(browser.get(asked.location).location))
    assert "wants another sign-in" in page.text


def sign_in_elsewhere_as(deployment: Deployment, app: App, user_id: str) -> str:
    person = sign_in(deployment, user_id)
    answer = app.redeem(person.allows(app, resource="my-os", scope="openid"))
    return answer.body["id_token"]


def test_where_it_is_the_only_way_administrators_still_sign_in_here(
    deployment: Deployment, browser: Browser, linked: FakeProvider
):
    linked.change(sign_in={"only": True})
    deployment.role("boss", ["issuer:admin"])
    deployment.user("ada", ["boss"])
    form = browser.get("/sign-in?local=1")
    refused = browser.submit(form, "/sign-in", username="alice", password=PASSWORD)
    assert "Sign in with company. Only administrators" in refused.text
    assert SESSION not in browser.cookies
    done = browser.submit(form, "/sign-in", username="ada", password=PASSWORD)
    assert done.location == "/account"


def test_the_page_lists_issuers_by_their_ids(deployment: Deployment, browser: Browser):
    for each in ("okta", "entra", "acme"):
        FakeProvider.trusted(deployment, each, f"https://{each}.example")
    page = browser.get("/sign-in")
    buttons = page.form("/sign-in/with").buttons
    assert buttons == [("issuer", "acme"), ("issuer", "entra"), ("issuer", "okta")]
    assert "Continue with Okta" in page.text
    assert "form-action" not in page.response.headers["content-security-policy"]


def test_without_such_issuers_the_page_is_as_before(browser: Browser):
    page = browser.get("/sign-in")
    assert "Continue with" not in page.text
    assert "form-action 'self'" in page.response.headers["content-security-policy"]


def test_an_unknown_issuer_leads_back_to_the_page(browser: Browser, linked: FakeProvider):
    page = browser.submit(browser.get("/sign-in"), "/sign-in/with", issuer="nobody")
    assert page.location == "/sign-in"


def test_an_unlinked_account_signs_nobody_in_and_ends_its_sessions(
    deployment: Deployment, browser: Browser, linked: FakeProvider, alice: str
):
    sign_in_elsewhere(browser, linked)
    with deployment.changing() as work:
        (identity,) = work.identities.of_user(alice)
        work.identities.unlink(alice, identity.id)
    assert browser.get("/account").location.startswith("/sign-in")
    assert "no user here is linked" in sign_in_elsewhere(browser, linked).text


def test_a_public_address_is_known_after_a_sign_in_there(
    deployment: Deployment, browser: Browser, linked: FakeProvider
):
    """As after a password: others who guess from elsewhere do not lock the person out there."""
    sign_in_elsewhere(browser, linked)
    with deployment.services.database.reading() as session:
        assert session.scalar(select(func.count()).select_from(KnownAddressRow)) == 1


def test_tokens_say_the_same_user_whichever_way_they_signed_in(
    browser: Browser, linked: FakeProvider, app: App, alice: str, token_endpoint: TokenDriver
):
    assert id_token(app, browser, linked)["sub"] == alice


class FakeGitHub(FakeProvider):
    """GitHub, which has no OpenID Connect."""

    async def request(
        self, method: str, url: str, headers: dict[str, str], content: str | None = None
    ) -> HttpAnswer:
        self.asked.append((method, url, headers, content or ""))
        match urlsplit(url).path:
            case "/login/oauth/access_token":
                form = dict(parse_qsl(content or ""))
                assert (form["client_id"], form["client_secret"]) == ("issuer", SECRET)
                assert headers["Accept"] == "application/json"
                if form["code"] not in self.codes:
                    return as_json({"error": "bad_verification_code"})  # with status 200
                return as_json({"access_token": "gho_1", "scope": "read:user"})
            case "/user":
                assert headers["Authorization"] == "Bearer gho_1"
                return as_json({"id": 583231, "login": "octocat"})
            case "/user/orgs":
                return as_json([{"login": "acme"}])
        return as_json([])


@pytest.fixture
def github(deployment: Deployment, alice: str) -> FakeGitHub:
    preset = {"scopes": ["read:user", "read:org"], "required_claims": {"groups": "acme"}}
    found = FakeGitHub.trusted(deployment, "github", "https://github.com", **preset)
    found.link(alice, "583231", "github")
    return found


def test_somebody_signs_in_with_github(browser: Browser, github: FakeGitHub):
    location = begin(browser, issuer="github")
    assert location.startswith("https://github.com/login/oauth/authorize?")
    sent = parameters(location)
    assert sent["scope"].split() == ["read:user", "read:org"]
    assert sent["code_challenge_method"] == "S256"
    assert "nonce" not in sent
    assert browser.get(github.authorize(location, iss=None)).location == "/account"


def test_a_wrong_code_of_github_signs_nobody_in(
    deployment: Deployment, browser: Browser, github: FakeGitHub
):
    path = github.authorize(begin(browser, issuer="github"), iss=None, code="guessed")
    assert browser.get(path).status == httpx.codes.BAD_REQUEST
    assert reasons(deployment) == ["the token endpoint answered bad_verification_code"]


def test_github_does_not_say_when_somebody_signed_in(
    browser: Browser, github: FakeGitHub, app: App
):
    asked = browser.get("/oauth2/authorize", **app.request(resource="my-os", max_age="60"))
    form = browser.get(asked.location).form("/sign-in/with").fields
    location = browser.post("/sign-in/with", {**form, "issuer": "github"}).location
    assert "sign-in of just now" in browser.get(github.authorize(location, iss=None)).text
