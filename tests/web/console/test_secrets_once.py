"""A secret is in one answer only; and what ends keys needs a sign-in each time."""

import re
from collections.abc import Iterator
from datetime import timedelta

import httpx
import pytest

from issuer.keys.schedule import SigningKey
from tests.builders import PASSWORD, Deployment, FakeClock
from tests.captured_logs import capture_logs
from tests.html_forms import FormsOnPage
from tests.web.browsing import Browser, PageSeen
from tests.web.console.conftest import SignedIn, forged, form_token, stored
from tests.web.console.screens import URLS

SECRET = re.compile(r"ai[sv]_[A-Za-z0-9]{20,}")
KEYS = "/console/keys"
CLIENT = "/console/clients/pipeline"
SHOWING: dict[str, tuple[str, dict[str, str]]] = {
    "a new client": ("/console/clients", {"audiences": "my-os"}),
    "one more secret": (CLIENT, {"do": "create-secret", "label": "github"}),
    "a rotation": (f"{CLIENT}-{{}}", {"do": "start-rotation"}),
    "a new user": ("/console/users", {"invite": "yes"}),
    "an invitation": ("/console/users/wanda", {"do": "invite"}),
}
# The page with the form, if it is not where the form is sent.
FORM_ON = {
    "a new client": "/console/clients?new=service",
    "a new user": "/console/users?new=yes",
}
MANIFEST = "clients:\n- client_id: by-manifest\n  audiences: [my-os]\n"


@pytest.fixture
def new(issuer: Deployment) -> str:
    """An id that no client has; and a client whose id ends with it."""
    key = f"new-{len(event_ids(issuer))}"
    issuer.client(f"pipeline-{key}")
    return key


def form_of(way: str, new: str) -> tuple[str, dict[str, str]]:
    path, form = SHOWING[way]
    return path.format(new), {**form, "client_id": new, "username": new}


def apply_manifest(browser: Browser) -> PageSeen:
    path = "/console/configuration"
    plan = browser.submit(browser.get(path), path, do="plan", source=MANIFEST)
    return browser.submit(plan, path, do="apply", source=MANIFEST)


@pytest.mark.parametrize("way", [*SHOWING, "a manifest"])
def test_a_secret_is_shown_once_and_kept_nowhere(
    issuer: Deployment, boss: Browser, new: str, way: str
):
    """Not in a URL, cookie, log or event, nor on any screen afterwards."""
    with capture_logs() as logged:
        if way == "a manifest":
            page = apply_manifest(boss)
        else:
            path, form = form_of(way, new)
            page = forged(issuer, boss, path, **form)
    (secret,) = set(SECRET.findall(page.response.text))
    assert page.status == httpx.codes.OK
    assert page.response.headers["cache-control"] == "no-store"
    assert secret not in str(page.response.headers)
    assert secret not in str(page.response.url)
    assert secret not in repr(logged)
    assert secret not in repr(stored(issuer))
    assert secret not in repr(boss.cookies)
    pages = ["/console/clients/by-manifest", f"{CLIENT}-{new}", f"/console/clients/{new}"]
    pages += [f"/console/audit/{each}" for each in event_ids(issuer)[-5:]]
    for url in (*URLS, *pages):
        assert not SECRET.search(boss.get(url).response.text), url


@pytest.mark.parametrize("way", SHOWING)
def test_sending_the_form_again_makes_nothing_new_and_says_so(
    issuer: Deployment, boss: Browser, new: str, way: str
):
    """As after "back" or "reload": a browser asks, and sends the same form."""
    path, typed = form_of(way, new)
    shown = FORM_ON.get(way, path).format(new)
    if way == "a new client":
        typed = {"audiences": "my-os"}  # its id is generated
    form = next(each for each in FormsOnPage(boss.get(shown).response.text).forms if each.fields)
    sent = {"form": form_token(issuer, boss, path), "form_id": form.fields["form_id"], **typed}
    assert SECRET.search(boss.post(path, sent).response.text)
    before = stored(issuer)
    again = boss.post(path, sent)
    assert again.status == httpx.codes.CONFLICT
    assert "This form was sent already" in again.text
    assert not SECRET.search(again.response.text)
    assert stored(issuer) == before


def test_a_form_with_a_mistake_can_be_sent_again(boss: Browser, new: str):
    """Only what was done counts, and another page has another form."""
    page = boss.get("/console/clients", new="service")
    wrong = boss.submit(page, "/console/clients", client_id="not an id")
    assert wrong.status == httpx.codes.BAD_REQUEST
    assert SECRET.search(boss.submit(page, "/console/clients", client_id=new).response.text)
    more = boss.submit(boss.get(f"{CLIENT}-{new}"), f"{CLIENT}-{new}", do="create-secret")
    more = boss.submit(boss.get(f"{CLIENT}-{new}"), f"{CLIENT}-{new}", do="create-secret")
    assert SECRET.search(more.response.text)


def test_a_mistake_does_not_repeat_a_secret_that_was_typed(issuer: Deployment, boss: Browser):
    """A secret typed into a wrong field stays in the page, and out of log and audit log."""
    typed = f"ais_{'x' * 40}"
    with capture_logs() as logged:
        for path, form in (
            (CLIENT, {"do": "delete-secret", "secret_id": typed}),
            (CLIENT, {"do": "create-secret", "expires_at": typed}),
            (CLIENT, {"do": "delete", "confirmed": "yes", "typed": typed}),
            ("/console/explain", {"subject": typed}),
        ):
            forged(issuer, boss, path, **form)
    assert typed not in repr(logged)
    assert typed not in repr(stored(issuer))


def kids(deployment: Deployment) -> list[SigningKey]:
    return list(deployment.services.keys.keyring.keys)


def questions(deployment: Deployment) -> Iterator[tuple[str, str, str]]:
    """What can be done to keys: the parameter, its value, what must be typed."""
    yield "rotate", "ES256", "ES256"
    for key in kids(deployment):
        yield "revoke", key.kid, key.kid[:8]


def test_a_confirmation_cannot_be_replayed_after_ten_minutes(
    deployment: Deployment, clock: FakeClock, admin: Browser
):
    """However it is sent: as the form that was shown, made up, or without the question."""
    forms = []
    for do, key, typed in questions(deployment):
        question = admin.get(KEYS, **{do: key})
        forms.append({**question.form(KEYS).fields, "typed": typed})
        forms.append({**forms[-1], "fresh": "yes", "authenticated_at": "now", "next": KEYS})
    clock.move(timedelta(minutes=10))
    before = stored(deployment)
    for form in forms:
        page = admin.post(KEYS, form)
        assert page.location.startswith("/sign-in?next=%2Fconsole%2Fkeys")
        del form["form"]
        assert forged(deployment, admin, KEYS, **form).location.startswith("/sign-in?")
    assert stored(deployment) == before


def test_looking_at_pages_does_not_renew_a_sign_in(
    deployment: Deployment, clock: FakeClock, admin: Browser
):
    for _ in range(4):
        clock.move(timedelta(minutes=3))
        for path in (KEYS, "/account", "/sign-in", "/console"):
            admin.get(path)
    assert admin.get(KEYS, rotate="ES256").location.startswith("/sign-in?")


def test_the_sign_in_of_another_browser_does_not_count(
    deployment: Deployment, clock: FakeClock, admin: Browser
):
    form = {**admin.get(KEYS, rotate="ES256").form(KEYS).fields, "typed": "ES256"}
    clock.move(timedelta(minutes=11))
    other = Browser(deployment.http)
    other.sign_in("admin")
    assert other.get(KEYS, rotate="ES256").status == httpx.codes.OK
    assert admin.post(KEYS, form).location.startswith("/sign-in?")
    assert other.post(KEYS, form).location == KEYS  # a form of another browser


def test_a_wrong_password_does_not_renew_a_sign_in_and_a_right_one_ends_old_forms(
    deployment: Deployment, clock: FakeClock, admin: Browser
):
    form = {**admin.get(KEYS, rotate="ES256").form(KEYS).fields, "typed": "ES256"}
    clock.move(timedelta(days=2))
    admin.sign_in("admin")
    clock.move(timedelta(minutes=11))
    before = kids(deployment)
    page = admin.get(admin.get(KEYS, rotate="ES256").location)
    wrong = admin.submit(page, "/sign-in", password="wrong")
    assert wrong.status == httpx.codes.BAD_REQUEST
    assert admin.get(KEYS, rotate="ES256").location.startswith("/sign-in?")
    admin.submit(wrong, "/sign-in", password=PASSWORD)
    assert admin.post(KEYS, form).location == KEYS
    assert kids(deployment) == before


def test_a_confirmation_counts_once(deployment: Deployment, clock: FakeClock, admin: Browser):
    """Sending it again does not revoke or rotate what came in place of the key."""
    clock.move(timedelta(days=2))
    admin.sign_in("admin")
    question = admin.get(KEYS, rotate="ES256")
    done = admin.submit(question, KEYS, typed="ES256")
    assert done.location == KEYS
    before = stored(deployment)
    assert admin.submit(question, KEYS, typed="ES256").status == httpx.codes.CONFLICT
    assert stored(deployment) == before
    (active, *_) = sorted(kids(deployment), key=lambda key: key.announced_at)
    question = admin.get(KEYS, revoke=active.kid)
    admin.submit(question, KEYS, typed=active.kid[:8])
    before = stored(deployment)
    assert admin.submit(question, KEYS, typed=active.kid[:8]).status == httpx.codes.NOT_FOUND
    assert stored(deployment) == before


def test_who_only_reads_keys_is_not_asked_to_sign_in_first(
    deployment: Deployment, clock: FakeClock, signed_in: SignedIn
):
    """A sign-in gives no right."""
    browser = signed_in("issuer:keys:read")
    for _ in range(2):
        for do, key, typed in questions(deployment):
            assert browser.get(KEYS, **{do: key}).status == httpx.codes.FORBIDDEN
            form = {"do": do, do: key, "typed": typed}
            refused = forged(deployment, browser, KEYS, **form)
            assert refused.status == httpx.codes.FORBIDDEN
        clock.move(timedelta(minutes=11))


def event_ids(deployment: Deployment) -> list[int]:
    with deployment.services.administration.reading() as work:
        return list(work.audit_log.ids())
