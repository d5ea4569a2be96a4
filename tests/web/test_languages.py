"""Pages are in the language that the browser, or the application, asks for."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from gettext import NullTranslations
from pathlib import Path
from typing import Any

import httpx
import pytest

from issuer.errors import InvalidField
from issuer.languages import LANGUAGES, NAMES, catalogues
from issuer.telemetry.logs import request_scope
from issuer.users.passwords import check_policy
from issuer.web.password import POLICY
from issuer.web.rendering import Pages
from issuer.web.views import ProblemPage
from tests.builders import PASSWORD, Deployment, FakeClock, settings_for
from tests.drivers import AdminApi, TokenDriver
from tests.rows import rows
from tests.sign_in.authorizing import App
from tests.web.browsing import Browser, PageSeen
from tests.web.outline import Outline
from tests.web.samples import NOW, PAGES
from tests.web.test_rendering import with_markup

SIGN_IN = {
    "en": "Sign in",
    "de": "Anmelden",
    "es": "Iniciar sesión",
    "fr": "Se connecter",
    "ja": "サインイン",
}
WRONG = {"de": "Benutzername oder Passwort ist falsch.", "fr": "Nom d’utilisateur ou mot de passe"}
# Read aloud or shown by a script.
TOLD = ("aria-label", "alt", "placeholder", "data-missing", "data-exists", "data-unused")
INNERMOST = re.compile("⟦[^⟦⟧]*⟧")
# Languages have their own names.
NOT_WORDS = re.compile(
    "|".join(NAMES.values()) + r"|\d{4}-\d\d-\d\d \d\d:\d\d UTC|id\.example|https://id\.example"
)


@contextmanager
def speaking(tag: str) -> Iterator[None]:
    """A request whose browser asks for that language."""
    headers = [(b"accept-language", tag.encode())]
    token = request_scope.set({"type": "http", "headers": headers})
    try:
        yield
    finally:
        request_scope.reset(token)


class Brackets(NullTranslations):
    """A catalogue that marks what it translates."""

    def gettext(self, message: str) -> str:
        return f"⟦{message}⟧"

    def ngettext(self, singular: str, plural: str, n: int) -> str:
        return f"⟦{singular if n == 1 else plural}⟧"


@pytest.fixture
def pages(tmp_path: Path) -> Pages:
    clock = FakeClock()
    clock.now = NOW
    return Pages(settings_for(tmp_path), clock)


@pytest.mark.parametrize("name", PAGES)
def test_every_text_of_a_page_can_be_translated(
    name: str, pages: Pages, monkeypatch: pytest.MonkeyPatch
):
    """But for what somebody else wrote, such as names."""
    monkeypatch.setattr(catalogues, "catalogue", lambda _: Brackets())
    page = PAGES[name]
    outline = Outline(pages.html(page))
    given = sorted({*texts_in(page), page.title}, key=len, reverse=True)
    left = without(outline.text, given)
    assert re.findall(r"[^\W\d_]{3,}", left) == []
    for _, attributes in outline.elements:
        for each in TOLD:
            assert not re.findall(r"[^\W\d_]{3,}", without(attributes.get(each) or "", given))


def without(text: str, given: list[str]) -> str:
    """`text` without what is translated and what was given."""
    for each in given:
        text = text.replace(each, "")
    while INNERMOST.search(text):
        text = INNERMOST.sub("", text)
    for each in given:
        text = text.replace(each, "")
    return NOT_WORDS.sub("", text)


def texts_in(value: Any) -> Iterator[str]:
    if isinstance(value, str) and len(value) > 1:
        yield value
        yield " ".join(value[i : i + 4] for i in range(0, len(value), 4))  # a key by hand
    elif isinstance(value, tuple):
        for each in value:
            yield from texts_in(each)
    elif isinstance(value, dict):
        yield from texts_in(tuple(value.values()))
    elif is_dataclass(value):
        yield from texts_in(tuple(getattr(value, each.name) for each in fields(value)))
    elif hasattr(value, "model_dump"):
        yield from texts_in(value.model_dump())


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", PAGES)
def test_every_page_is_rendered_in_every_language(language: str, name: str, pages: Pages):
    with speaking(language):
        pages.choose_language()
        outline = Outline(pages.html(PAGES[name]))
    (html,) = outline.of("html")
    assert html["lang"] == language
    assert "%(" not in outline.text


@pytest.mark.parametrize("language", LANGUAGES)
def test_markup_in_a_value_is_text_in_every_language(language: str, pages: Pages):
    with speaking(language):
        pages.choose_language()
        for page in PAGES.values():
            assert "b" not in {tag for tag, _ in Outline(pages.html(with_markup(page))).elements}


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_browser_chooses_the_language(language: str, http: httpx.Client):
    answer = http.get("/sign-in", headers={"Accept-Language": f"{language}-XX, xx;q=0.8"})
    assert Outline(answer.text).of("html") == [{"lang": language}]
    assert answer.headers["content-language"] == language
    assert "Accept-Language" in answer.headers["vary"]
    assert f"<h1>{SIGN_IN[language]}</h1>" in answer.text


@rows("header", ["", "tlh", "*", "de;q=0"])
def test_without_a_language_that_there_is_the_page_is_english(header: str, http: httpx.Client):
    answer = http.get("/sign-in", headers={"Accept-Language": header})
    assert Outline(answer.text).of("html") == [{"lang": "en"}]


def test_the_setting_is_for_browsers_that_ask_for_none(tmp_path: Path):
    pages = Pages(settings_for(tmp_path, language="ja"), FakeClock())
    for asked, language in (("tlh", "ja"), ("fr", "fr")):
        with speaking(asked):
            pages.choose_language()
            assert f'lang="{language}"' in pages.html(PAGES["sign-in"])


def asking(language: str) -> dict[str, str]:
    return {"Accept-Language": language}


@rows(
    ("ui_locales", "language"),
    [("fr", "fr"), ("tlh fr-CA de", "fr"), ("tlh", "de"), ("", "de")],
)
def test_the_application_may_choose_the_language_of_its_request(
    ui_locales: str, language: str, deployment: Deployment, app: App, alice: str
):
    """OpenID Connect Core §3.1.2.1. It stays that for every step."""
    deployment.http.headers.update(asking("de"))
    try:
        browser = Browser(deployment.http)
        request = app.request(resource="my-os", ui_locales=ui_locales or None)
        page = browser.follow(browser.get("/oauth2/authorize", **request))
        assert page.response.headers["content-language"] == language
        wrong = browser.submit(page, "/sign-in", username="alice", password="wrong")
        assert wrong.status == httpx.codes.BAD_REQUEST
        assert WRONG[language] in wrong.text
        right = browser.submit(wrong, "/sign-in", username="alice", password=PASSWORD)
        consent = browser.follow(right)
        assert consent.response.headers["content-language"] == language
        account = browser.get("/account")
        assert account.response.headers["content-language"] == "de"
    finally:
        del deployment.http.headers["Accept-Language"]


def test_the_metadata_name_the_languages(http: httpx.Client):
    found = http.get("/.well-known/openid-configuration").json()
    assert found["ui_locales_supported"] == list(LANGUAGES)


def test_the_console_is_in_english(deployment: Deployment, browser: Browser):
    deployment.role("administrator", ["issuer:admin"])
    deployment.user("ada", ["administrator"])
    browser.sign_in("ada")
    deployment.http.headers.update(asking("de"))
    try:
        user = browser.get("/console/users/ada").location
        for path in ("/console", "/console/users", user):
            page = browser.get(path)
            assert page.response.headers["content-language"] == "en", path
        assert "Abmelden" not in page.response.text
    finally:
        del deployment.http.headers["Accept-Language"]


@rows(
    ("path", "says"),
    [
        ("/no-such-page", "Hier gibt es keine Seite"),
        ("/oauth2/authorize?client_id=unknown", "Diese Anwendung kann Sie nicht anmelden"),
        (
            "/oauth2/logout?client_id=unknown&post_logout_redirect_uri=https://x.example/",
            "Diese Anwendung kann Sie nicht abmelden",
        ),
        ("/invitation/unknown", "Diese Einladung ist nicht mehr gültig"),
        ("/sign-out", "Sie sind abgemeldet"),
    ],
)
def test_error_pages_are_in_the_language_of_the_browser(path: str, says: str, http: httpx.Client):
    answer = http.get(path, headers={"Accept": "text/html", **asking("de")}, follow_redirects=False)
    assert says in PageSeen(answer).text
    assert answer.headers["content-language"] == "de"


def test_a_wrong_code_of_a_new_app_is_told_in_the_language_of_the_browser(
    deployment: Deployment, browser: Browser, alice: str
):
    browser.sign_in()
    deployment.http.headers.update(asking("de"))
    try:
        page = browser.get("/account/authenticator")
        wrong = browser.submit(page, "/account/authenticator", code="000000")
        assert wrong.status == httpx.codes.BAD_REQUEST
        assert "Geben Sie den ein, den die App anzeigt." in wrong.text
    finally:
        del deployment.http.headers["Accept-Language"]


def test_the_api_is_in_english(deployment: Deployment, token_endpoint: TokenDriver):
    """Also where its error is one that a page would translate."""
    token = token_endpoint.client_credentials(deployment.admin).token
    admin = AdminApi(deployment.http, token)
    user_id = admin.post("/users", username="bob").json()["id"]
    answer = admin.put(
        f"/users/{user_id}/password", json={"password": "short"}, headers=asking("de")
    )
    assert "must have 12 to 256 characters" in answer.text


def test_everything_that_the_password_policy_says_is_translated():
    """As whole sentences, which a test of the catalogues finds in each of them."""
    said = set()
    for password in ("short", "a" * 20, "control\tcharacter", "password1234", "Alexander.Great"):
        with pytest.raises(InvalidField) as refused:
            check_policy(password, "alexander.great")
        said.add(refused.value.message)
    assert said == set(POLICY)
    assert all(sentence == f"The password {said}." for said, sentence in POLICY.items())


def test_a_problem_that_has_no_translation_stays_english(pages: Pages):
    with speaking("de"):
        pages.choose_language()
        answer = pages.problem(ProblemPage(heading="Not now", sentence="A new sentence."))
    assert "Im Moment nicht möglich" in answer.body.decode()
    assert "A new sentence." in answer.body.decode()


@pytest.mark.parametrize("is_signed_in", [True, False])
def test_the_application_may_choose_the_language_of_signing_out(
    is_signed_in: bool, deployment: Deployment, browser: Browser, alice: str
):
    """RP-Initiated Logout §2. Of the question, if somebody is signed in, and of what follows."""
    if is_signed_in:
        browser.sign_in()
    deployment.http.headers.update(asking("de"))
    try:
        page = browser.follow(browser.get("/oauth2/logout", ui_locales="tlh fr-CA"))
        assert page.response.headers["content-language"] == "fr"
        if is_signed_in:
            page = browser.follow(browser.submit(page, "/sign-out"))
            assert page.response.headers["content-language"] == "fr"
        other = browser.follow(browser.get("/oauth2/logout", ui_locales="tlh"))
        assert other.response.headers["content-language"] == "de"
    finally:
        del deployment.http.headers["Accept-Language"]


def test_whoever_chooses_a_language_keeps_it(browser: Browser, app: App, alice: str):
    """Also where browser and application ask for another."""
    request = app.request(resource="my-os", ui_locales="fr")
    page = browser.follow(browser.get("/oauth2/authorize", **request))
    assert page.response.headers["content-language"] == "fr"
    page = browser.get(f"{path_and_query(page)}&language=de")
    assert page.response.headers["content-language"] == "de"
    assert "__Host-language=de; HttpOnly; Max-Age=31536000" in page.response.headers["set-cookie"]
    page = browser.submit(page, "/sign-in", username="alice", password=PASSWORD)
    assert browser.follow(page).response.headers["content-language"] == "de"
    assert browser.get("/account").response.headers["content-language"] == "de"


def path_and_query(page: PageSeen) -> str:
    return page.response.url.raw_path.decode()


@rows("asked", ["xx", "", "de&language=fr", "DE", "en%22"])
def test_a_language_that_there_is_not_is_not_chosen(asked: str, http: httpx.Client):
    answer = http.get(f"/sign-out?language={asked}", headers=asking("ja"))
    assert answer.headers["content-language"] in {"ja", "de"}
    assert 'lang="xx"' not in answer.text


def test_a_page_links_to_itself_in_each_language(browser: Browser, asked: PageSeen, alice: str):
    """With the request that it is about, also where a form was refused."""
    page = browser.get(asked.location)
    wrong = browser.submit(page, "/sign-in", username="alice", password="wrong")
    request = page.form("/sign-in").fields["request"]
    for each in (page, wrong):
        links = [e["href"] for e in Outline(each.response.text).of("a") if e.get("hreflang")]
        assert links == [f"?request={request}&language={tag}" for tag in LANGUAGES if tag != "en"]
    assert "Anmelden" in browser.get(f"/sign-in{links[0]}").text


@pytest.mark.parametrize(
    "path", ["/no-such-page", "/oauth2/authorize?client_id=x", "/invitation/x", "/sign-out"]
)
def test_every_dead_end_has_a_way_on_and_the_languages(path: str, http: httpx.Client):
    answer = http.get(path, headers={"Accept": "text/html"}, follow_redirects=False)
    links = [each for each in Outline(answer.text).of("a") if "button" in each.get("class", "")]
    assert links
    assert all(each["href"].startswith("/") for each in links)
    assert "Deutsch" in answer.text


def test_the_console_has_no_languages_to_choose(deployment: Deployment, browser: Browser):
    deployment.role("administrator", ["issuer:admin"])
    deployment.user("ada", ["administrator"])
    browser.sign_in("ada")
    page = browser.get("/console", language="de")
    assert page.response.headers["content-language"] == "en"
    assert "Deutsch" not in page.text
