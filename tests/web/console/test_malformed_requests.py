"""Parameters, fields and paths that no browser sends: an error page, and never an exception."""

from urllib.parse import quote, urlencode

import httpx
import pytest

from tests.builders import URL, Deployment
from tests.web.browsing import Browser, PageSeen
from tests.web.console.conftest import form_token, stored
from tests.web.console.screens import SCREENS, forms, sent_by

pytestmark = pytest.mark.slow

LONG = "x" * 5_000
# Pages, the configuration, lists to download, and what scripts look up.
KINDS = ("text/html", "application/yaml", "application/x-ndjson", "application/json")
# Well-formed, but nothing that a screen expects.
ODD = [
    *(
        "\ufffe",
        "\U0010ffff",
        "\u202e",
        "é",
        "%",
        "%00",
        "*",
        "_",
        "\\",
        "'",
        '"',
        "\r\n",
        " ",
        LONG,
    ),
    *("0", "-1", "1.5", "٣", "²", "9" * 18, "9" * 30, "1e999", "NaN", "null", "[]", "{}", "true"),
    *("0001-01-01", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00", "2026-02-30"),
    *(LONG, "../..", "//", "https://id.example", "a:b:c:d", "issuer:admin", "agents:*:run", "<!--"),
]
# As they stand in a query or a form.
MALFORMED = {
    "a NUL": ("%00", 400),
    "a NUL within": ("a%00b", 400),
    "bytes that are not UTF-8": ("%ff", 400),
    "an overlong slash": ("%c0%af", 400),
    "half of a pair": ("%ed%a0%80", 400),
}
KEYS = [
    *("%2f%2f", "%25", "%F0%9F%92%A9", "?", "'", "..."),
    *(LONG, "a/b/c", "%2Fetc%2Fpasswd", "%E2%80%AE", "*", "1%3B", "99999999999999999999"),
]
# Octets that databases refuse, or that servers decode in different ways.
UNREADABLE = [
    *("%00", "a%00b", "%ff", "%c0%af", "%ed%a0%80", "%0d%0a", "%7f", "%C2%85"),
    *("%2e%2e", "%2E", ".%2e", "a/%2e%2e/b", "%2e%2e/audit"),
]


def require_page(page: PageSeen, what: str) -> None:
    """A page, also for an error, or a redirect, which is never to an error of the server."""
    assert page.status < httpx.codes.INTERNAL_SERVER_ERROR, what
    if page.status != httpx.codes.SEE_OTHER:
        kind = page.response.headers["content-type"]
        assert kind.startswith(KINDS), what


def post(issuer: Deployment, browser: Browser, path: str, body: bytes) -> PageSeen:
    """A form with a token that counts, and then these bytes."""
    token = form_token(issuer, browser, path)
    return browser.post_raw(path, f"form={token}&".encode() + body)


@pytest.mark.parametrize("path", SCREENS)
def test_an_odd_value_of_a_parameter(boss: Browser, path: str):
    screen = SCREENS[path]
    for index, name in enumerate(screen.parameters):
        for value in ODD[index % 6 :: 6]:
            page = boss.get(f"{screen.urls[0]}?{urlencode({name: value})}")
            require_page(page, f"{name}={value!r}")


@pytest.mark.parametrize("path", SCREENS)
def test_a_malformed_query_is_400(boss: Browser, path: str):
    url = SCREENS[path].urls[0]
    for name in SCREENS[path].parameters[:1] or ("unknown",):
        for what, (value, status) in MALFORMED.items():
            page = boss.get(f"{url}?{name}={value}")
            assert page.status == status, what
        for query in (
            f"{name}=a&{name}=a",
            f"{name}=&{name}=",
            "&".join(f"a{i}=1" for i in range(101)),
        ):
            assert boss.get(f"{url}?{query}").status == httpx.codes.BAD_REQUEST
    assert boss.get(url, unknown="x" * 20_000).status == httpx.codes.OK


@pytest.mark.parametrize("path", [path for path in SCREENS if "{" in path])
def test_a_key_that_nothing_has_is_not_found(boss: Browser, path: str):
    folder = path.partition("{")[0]
    for key in KEYS:
        page = boss.get(f"{URL}{folder}{key}")
        assert page.status == httpx.codes.NOT_FOUND, key


@pytest.mark.parametrize("path", [path for path in SCREENS if "{" in path])
def test_a_path_with_unreadable_octets_is_400(issuer: Deployment, boss: Browser, path: str):
    folder = path.partition("{")[0]
    for browser in (boss, Browser(issuer.http)):
        for key in UNREADABLE:
            page = browser.get(f"{URL}{folder}{key}")
            assert page.status == httpx.codes.BAD_REQUEST, key
            require_page(page, key)
            assert browser.post_raw(f"{URL}{folder}{key}", b"").status == httpx.codes.BAD_REQUEST


@pytest.mark.parametrize("path", SCREENS)
def test_an_odd_value_of_a_field(issuer: Deployment, boss: Browser, path: str):
    """Of each field of each form, before and after the confirmation."""
    for url in SCREENS[path].urls:
        for form in forms(boss, url):
            for fields in sent_by(form):
                names = sorted({*fields, *form.areas} - {"confirmed", "typed"})
                for index, name in enumerate([*names, "unknown"]):
                    for value in ODD[index % 12 :: 12]:
                        sent = {**fields, "confirmed": "no", name: value}
                        page = post(issuer, boss, form.action, urlencode(sent).encode())
                        require_page(page, f"{fields.get('do')}: {name}={value!r}")


@pytest.mark.parametrize("path", [path for path, screen in SCREENS.items() if screen.write])
def test_a_malformed_form_changes_nothing(issuer: Deployment, boss: Browser, path: str):
    """Everything that is malformed with the first form, and one thing with each of the others."""
    before = stored(issuer)
    sent = [
        (form.action, fields)
        for url in SCREENS[path].urls
        for form in forms(boss, url)
        for fields in sent_by(form)
    ]
    for number, (action, fields) in enumerate(sent):
        bodies = malformed(fields)
        chosen = bodies if number == 0 else [bodies[number % len(bodies)]]
        for body, status in chosen:
            assert post(issuer, boss, action, body.encode()).status == status, body[:200]
        require_page(post(issuer, boss, action, b"\xff\xfe=\x00&&==&"), "bytes")
    assert stored(issuer) == before


def malformed(fields: dict[str, str]) -> list[tuple[str, int]]:
    """The form with something that is malformed, and the status of the answer."""
    sent, name = urlencode(fields), next(iter(fields))
    many = "&".join(f"a{number}=1" for number in range(1_001))
    return [
        *((f"{sent}&more={value}", status) for value, status in MALFORMED.values()),
        (f"{sent}&{name}=x", 400),
        (f"{sent}&form=x", 400),
        (f"{sent}&{many}", 400),
        (f"{sent}&more={'x' * 300_000}", 413),
    ]


@pytest.mark.parametrize("path", SCREENS)
def test_a_form_without_any_field(issuer: Deployment, boss: Browser, path: str):
    url = SCREENS[path].urls[0]
    require_page(post(issuer, boss, url, b""), path)
    require_page(post(issuer, boss, url, b"do="), path)
    require_page(post(issuer, boss, url, b"do=%3Cscript%3E&confirmed=yes&typed="), path)


def test_a_key_is_one_segment_however_it_is_written(issuer: Deployment, boss: Browser):
    """The page of a URL id is the same with its slashes encoded, and only that."""
    key = "https://app.example/a/../b"
    issuer.client("https://app.example/b", name="Another one")
    issuer.client(key, name="This one")
    page = boss.get(f"/console/clients/{quote(key, safe='')}")
    assert "This one" in page.text
    assert "Another one" not in page.text
