"""Texts from outside, stored or sent along, are text on every screen."""

from collections.abc import Iterator
from html.parser import HTMLParser
from urllib.parse import quote, urlencode

import httpx
import pytest

from issuer.audit import Actor
from issuer.clients.client import ClientFields
from issuer.vocabulary import RegisteredBy
from tests.builders import Deployment
from tests.inspection.inspected import inspected
from tests.sign_in.authorizing import BROWSER
from tests.trusting import OtherIssuer, trust, trusted
from tests.web.browsing import Browser
from tests.web.console.conftest import forged, person
from tests.web.console.screens import SCREENS, URLS, forms, furnished, sent_by
from tests.web.outline import Outline

MARKUP = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)></title><b>{{7*7}}${7*7}&lt;"
EMAIL = "\"'><img/src=x/onerror=alert(1)>{{7*7}}@example.com"
EXACT = "<script>alert(1)</script>\"'><b>{{7-7}}"
BIDI = "a\u202eb\u2066c"
URL_ID = "https://app.example/';alert(1)//?x=1&lt;y=$(z)"
MORE_URLS = [
    "/console/clients/marked",
    "/console/clients/marked?edit=yes",
    f"/console/clients/{quote(URL_ID, safe='')}",
    "/console/clients/bidi",
    "/console/clients/bidi?edit=yes",
    "/console/roles/marked",
    "/console/roles/marked?edit=yes",
    "/console/roles/bidi",
    "/console/audiences/marked-os",
    "/console/audiences/marked-os?edit=yes",
    "/console/audiences/bidi-os",
    "/console/users/marked-user",
    "/console/users/marked-user?edit=yes",
    "/console/users/named",
    "/console/users/bidi-user",
    "/console/users/bidi-user?edit=yes",
    "/console/clients/trusting",
    "/console/clients/trusting?trust=0",
    "/console/trusted-issuers/odd",
    "/console/trusted-issuers/odd?edit=yes",
    "/account",
]
BLOCKS = {
    *("html", "body", "main", "section", "header", "footer", "nav", "div", "form", "bdi"),
    *("p", "li", "dt", "dd", "h1", "h2", "h3", "td", "th", "tr", "table", "thead", "tbody"),
    *("ul", "ol", "dl", "label", "option", "button", "summary", "details", "pre", "select", "svg"),
}


class Lines(HTMLParser):
    """The lines of a page, each of which browsers order on its own (CSS Writing Modes §2.4).

    Without its title, and without texts to be edited.
    """

    def __init__(self, html: str) -> None:
        super().__init__()
        self._text = ""
        self._is_apart = False
        self.feed(html)
        self.lines = [line.strip() for line in self._text.split("\n")]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._is_apart = tag in {"title", "textarea"}
        self._text += "\n" * (tag in BLOCKS)

    def handle_endtag(self, tag: str) -> None:
        self._is_apart = False
        self._text += "\n" * (tag in BLOCKS)

    def handle_data(self, data: str) -> None:
        if not self._is_apart:
            self._text += data


@pytest.fixture(scope="module")
def issuer(shared: Deployment) -> Deployment:
    """With markup in every text that it stores."""
    furnished(shared)
    for key, text in (("marked", MARKUP), ("bidi", BIDI)):
        shared.role(key, ["agents:read"])
        shared.audience(f"{key}-os", name=text)
        inspected(shared, f"{key}-os", agents={text: text, "web": text})
        shared.client(key, [key], name=text, claims={"team": text, text: [text]})
        shared.secret(shared.client(f"{key}-secret", name=text), label=text)
        registered = ClientFields(
            name=text,
            grant_types=["authorization_code"],
            redirect_uris=["https://app.example/"],
            user_rights="all",
        )
        with shared.changing() as work:
            work.roles.update(key, {"description": text})
            work.clients.register(registered, RegisteredBy.REGISTRATION)
        email = EMAIL if text is MARKUP else f"{BIDI}@example.com"
        shared.user(
            f"{key}-user", [key], id=f"{key}-user", name=text, email=email, claims={text: text}
        )
    other = OtherIssuer.new("https://o.example/\"'><script>alert(1)</script>", "ES256", kid=EXACT)
    trusted(shared, other, id="odd")
    claims = {EXACT: EXACT, "bidi": BIDI}
    trusts = [trust(issuer="odd", subject=EXACT, audience=EXACT, claims=claims)]
    shared.client("trusting", jwks=other.jwks, trusts=trusts)
    shared.user(MARKUP, id="named")
    shared.client(URL_ID, ["marked"], name=MARKUP)
    refused_sign_ins(shared)
    return shared


def refused_sign_ins(issuer: Deployment) -> None:
    """What somebody who has no rights can write into the audit log."""
    for name in (MARKUP, "marked-user", BIDI):
        Browser(issuer.http).sign_in(name, "wrong")
    for client_id, scope in ((MARKUP, MARKUP), ("marked", MARKUP), (BIDI, BIDI)):
        data = {"grant_type": "client_credentials", "scope": scope, "audience": scope}
        issuer.http.post("/oauth2/token", data=data, auth=(quote(client_id), "wrong"))
    issuer.http.get("/oauth2/authorize", params={"client_id": MARKUP, "redirect_uri": MARKUP})


@pytest.fixture(scope="module")
def boss(issuer: Deployment) -> Browser:
    """An admin with sessions of browsers that have markup in their names."""
    browser = person(issuer, "boss", ["issuer:admin"])
    with issuer.services.administration.reading() as work:
        user = issuer.services.tokens.directory.load_user(work.users.get_by_username("boss").id)
    for text in (MARKUP, f"Firefox/{MARKUP}Linux"):
        issuer.services.people.sessions.begin(user, ("pwd",), BROWSER, text)
    return browser


def events_of(issuer: Deployment) -> Iterator[str]:
    with issuer.services.administration.reading() as work:
        for event_id in work.audit_log.ids():
            yield f"/console/audit/{event_id}"


def require_text(html: str) -> None:
    """The page has no element and no attribute but its own. Titles with an id are of charts."""
    outline = Outline(html)
    tags = {tag for tag, _ in outline.elements}
    assert not tags & {"img", "b", "iframe", "object", "style", "base"}
    assert all(set(each) == {"src", "type"} for each in outline.of("script"))
    assert all(each["src"].startswith("/assets/") for each in outline.of("script"))
    assert html.count("<script") == html.count("></script>")
    assert [each for each in outline.of("title") if "id" not in each] == [{}]
    assert not [each for each in outline.of("meta") if "http-equiv" in each]
    for _, attributes in outline.elements:
        assert not [name for name in attributes if name.startswith("on") or name == "style"]
        assert not (attributes.get("href") or "/").lower().startswith(("javascript:", "data:"))
    for each in outline.of("form"):
        assert (each.get("action") or "/console").startswith(("/", "#"))
    assert "49$" not in html


@pytest.mark.parametrize("url", [*URLS, *MORE_URLS])
def test_stored_texts_are_text_on_every_screen(boss: Browser, url: str):
    page = boss.get(url)
    assert page.status == httpx.codes.OK
    if page.response.headers["content-type"].startswith("text/html"):
        require_text(page.response.text)
    else:
        assert "attachment" in page.response.headers["content-disposition"]


def test_they_are_text_in_every_event_of_the_audit_log(issuer: Deployment, boss: Browser):
    for url in events_of(issuer):
        page = boss.get(url)
        if page.status == httpx.codes.OK:
            require_text(page.response.text)


@pytest.mark.parametrize(
    ("url", "number"),
    [
        ("/console/clients/marked", 1),
        ("/console/clients/marked-secret", 2),
        ("/console/roles/marked", 2),
        ("/console/roles", 1),
        ("/console/audiences/marked-os", 1),
        ("/console/users/marked-user", 1),
        ("/console/users/named", 2),
    ],
)
def test_they_are_shown_and_not_left_out(boss: Browser, url: str, number: int):
    """The test above would also pass on an empty page."""
    assert Outline(boss.get(url).response.text).text.count(MARKUP) >= number


@pytest.mark.parametrize("url", [*URLS, *MORE_URLS, "/console/clients/bidi-secret"])
def test_a_text_cannot_reorder_the_words_beside_it(boss: Browser, url: str):
    """With controls of the bidirectional algorithm: "Trojan Source", Unicode TR36 §2.1."""
    page = boss.get(url)
    if page.response.headers["content-type"].startswith("text/html"):
        for line in Lines(page.response.text).lines:
            assert "\u202e" not in line or line in alone(), line


def test_nor_in_a_question_that_names_it(issuer: Deployment, boss: Browser):
    page = forged(issuer, boss, "/console/roles/bidi", do="delete")
    assert "assigned to" in page.text
    assert "\u202e" not in page.response.text


@pytest.mark.parametrize("path", SCREENS)
def test_what_is_sent_along_is_text_in_the_answer(issuer: Deployment, boss: Browser, path: str):
    """In the URL and in each field of each form."""
    for url in SCREENS[path].urls:
        plain = url.partition("?")[0]
        for name in SCREENS[path].parameters:
            page = boss.get(f"{plain}?{urlencode({name: MARKUP})}")
            if page.status == httpx.codes.OK and "attachment" in str(page.response.headers):
                continue
            if page.response.headers.get("content-type") == "application/json":
                assert page.response.headers["x-content-type-options"] == "nosniff"
                continue
            if page.status != httpx.codes.SEE_OTHER:
                require_text(page.response.text)
        for form in forms(boss, url):
            for fields in sent_by(form):
                for name in fields.keys() | set(form.areas):
                    sent = {**fields, "confirmed": "no", name: MARKUP}
                    page = forged(issuer, boss, form.action, **sent)
                    if page.status != httpx.codes.SEE_OTHER:
                        require_text(page.response.text)


@pytest.mark.parametrize("section", ["roles", "clients", "users", "audiences"])
@pytest.mark.parametrize("text", [MARKUP, BIDI], ids=["markup", "bidi"])
def test_a_manifest_is_text_in_its_plan_and_in_its_problems(
    issuer: Deployment, boss: Browser, section: str, text: str
):
    key = {"roles": "name", "clients": "client_id", "users": "username", "audiences": "id"}[section]
    label = "description" if section == "roles" else "name"
    quoted = text.replace("'", "''")
    for source in (
        f"{section}:\n- {key}: added\n  {label}: '{quoted}'\n",
        f"{section}:\n- {key}: '{quoted}'\n",
        f"{section}:\n- '{quoted}': '{quoted}'\n",
        text,
    ):
        page = forged(issuer, boss, "/console/configuration", do="plan", source=source)
        require_text(page.response.text)
        before, _, rest = page.response.text.partition("<textarea")
        assert "\u202e" not in before + rest.partition("</textarea>")[2]


def test_an_address_that_a_caller_chose_is_text(issuer: Deployment, boss: Browser):
    """Behind a proxy that trusts what it is sent."""
    actor = Actor(None, MARKUP[:64], MARKUP[:64])
    with issuer.services.administration.changing(actor) as work:
        work.roles.update("marked", {"scopes": ["agents:read", "teams:read"]})
    for url in ("/console/audit", "/console/roles/marked", *list(events_of(issuer))[-1:]):
        page = boss.get(url)
        assert MARKUP[:64] in page.text
        require_text(page.response.text)


def test_a_browser_is_named_in_our_words(issuer: Deployment, boss: Browser):
    text = boss.get("/account").text
    assert "Firefox on Linux" in text
    assert "Unknown browser" in text


def alone() -> set[str]:
    """The lines that have nothing but one such text, or one in a list of its own."""
    return {BIDI, f"{BIDI}@example.com"}
