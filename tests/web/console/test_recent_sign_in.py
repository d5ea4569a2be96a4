"""What gives access or holds rights here needs a sign-in of the last ten minutes, as `/account`.

A session that was left open, or that began before its user had a second factor, is not enough.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from importlib.resources import files
from pathlib import Path
from typing import TypeAlias

import httpx
import pytest

from issuer.clients.operations import FINISH_ROTATION
from issuer.clients.trust import Trust
from issuer.directory import ActingClient
from issuer.operations import About
from issuer.roles import Assignment
from issuer.scopes import ISSUER_ADMIN
from issuer.sign_in.consents_store import AllowedAccess
from tests.builders import PASSWORD, URL, Deployment, FakeClock
from tests.escalation import (
    CLIENTS,
    GROUPS,
    KEYS,
    ROLES,
    TRUSTED_ISSUERS,
    USERS,
    with_privileged_resources,
)
from tests.inspection.fake_agentos import inspectable
from tests.issuers import Arrange, with_my_os
from tests.sign_in.authorizing import CALLBACK, sign_in
from tests.sign_in.people import People
from tests.trusting import OtherIssuer, trust
from tests.web.browsing import Browser, PageSeen
from tests.web.console.conftest import SignedIn, forged, person, stored
from tests.web.console.screens import SCREENS, routes
from tests.web.console.test_escalation import FORMS, as_it_is_now, collection_of

Fields: TypeAlias = dict[str, str] | Callable[[Deployment], dict[str, str]]
ELEVEN_MINUTES = timedelta(minutes=11)
_KEYS, _MANIFEST = "/console/keys", "/console/configuration"
_AUDIENCES, _TOKEN = "/console/audiences", "/console/explain/token"
_YES = {"confirmed": "yes"}
_OTHER = OtherIssuer.new("https://other.example", alg="ES256")
_ISSUER = {"issuer": "https://other.example", "source": "jwks", "ES256": "yes"}
_ISSUER |= {"jwks": json.dumps(_OTHER.jwks)}
_TRUST = {**_YES, "issuer": "other", "subject": trust()["subject"]}
_SAVE = {"do": "save", "audiences": "my-os", "client_credentials": "yes"}
_SAVE |= {"token_endpoint_auth_method": "client_secret_basic", "name": "Changed"}


def the_newest(path: str, form: dict[str, str]) -> Fields:
    """The form for a change of the resource at that path, shown for its newest version."""
    folder, _, key = path.rpartition("/")

    def fields(deployment: Deployment) -> dict[str, str]:
        with deployment.services.administration.reading() as work:
            found = collection_of(work, folder).get(key)
        return {**form, "version": str(found.version)}

    return fields


def secret_of_plain(deployment: Deployment) -> dict[str, str]:
    with deployment.services.administration.reading() as work:
        secret = work.clients.secrets("plain")[0]
    return {"do": "delete-secret", "secret_id": secret.id, **_YES}


def rotation_of_plain(deployment: Deployment) -> dict[str, str]:
    with deployment.services.administration.reading() as work:
        question = FINISH_ROTATION.question(work, About("plain", "plain", ""))
    return {"do": "finish-rotation", "answers": question.subject, **_YES}


def key_that_was_revoked(deployment: Deployment) -> dict[str, str]:
    key = max(deployment.services.keys.keyring.keys, key=lambda each: each.announced_at)
    return {"do": "revoke", "revoke": key.kid, "typed": key.kid[:8], **_YES}


def factor_of_bob(deployment: Deployment) -> dict[str, str]:
    with deployment.services.administration.reading() as work:
        factor = work.factors.of_user("bob")[0]
    return {"do": "remove-factor", "factor_id": factor.id, **_YES}


def session_of_bob(deployment: Deployment) -> dict[str, str]:
    with deployment.services.administration.reading() as work:
        session = work.sessions.of_user("bob")[0]
    return {"do": "end-session", "session_id": session.id, **_YES}


def account_of_bob(deployment: Deployment) -> dict[str, str]:
    with deployment.services.administration.reading() as work:
        identity = work.identities.of_user("bob")[0]
    return {"do": "remove-identity", "identity_id": identity.id, **_YES}


def manifest(deployment: Deployment) -> dict[str, str]:
    source = "clients:\n- client_id: by-manifest\n  audiences: [my-os]\n"
    browser = person(deployment, "planner", [ISSUER_ADMIN])
    plan = browser.submit(browser.get(_MANIFEST), _MANIFEST, do="plan", source=source)
    return {"do": "apply", "source": source, "etag": plan.form(_MANIFEST).fields["etag"]}


NEW_GROUP = f"{GROUPS}/new-group"
PLAIN, BOB, OTHER = f"{CLIENTS}/plain", f"{USERS}/bob", f"{TRUSTED_ISSUERS}/other"
# What always needs it, of things that hold no rights here; each works after those before it.
ALWAYS: list[tuple[str, Fields]] = [
    (CLIENTS, {"client_id": "another", "audiences": "my-os"}),
    (PLAIN, the_newest(PLAIN, {**_SAVE, **_YES})),
    (PLAIN, {"do": "start-rotation"}),
    (PLAIN, {"do": "cancel-rotation", **_YES}),
    (PLAIN, {"do": "start-rotation"}),
    (PLAIN, rotation_of_plain),
    (PLAIN, {"do": "create-secret", "label": "github"}),
    (PLAIN, secret_of_plain),
    (PLAIN, {"do": "add-key", "key": json.dumps(KEYS)}),
    (PLAIN, {"do": "delete-key", "kid": "k1", **_YES}),
    (TRUSTED_ISSUERS, {"id": "other", "kind": "oidc", **_ISSUER}),
    (OTHER, the_newest(OTHER, {"do": "save", **_ISSUER, "RS256": "yes"})),
    (PLAIN, {"do": "add-trust", "kind": "oidc", "oidc": _TRUST["subject"], **_TRUST}),
    (
        PLAIN,
        {
            **{"do": "save-trust", "once": "yes", **_TRUST},
            "trust": Trust.read(trust(issuer="other")).model_dump_json(),
        },
    ),
    (
        PLAIN,
        {
            **{"do": "remove-trust", **_YES},
            "trust": Trust.read(trust(issuer="other", once=True)).model_dump_json(),
        },
    ),
    (OTHER, {"do": "disable", **_YES}),
    (OTHER, {"do": "enable"}),
    (OTHER, {"do": "delete", "typed": "other", **_YES}),
    (USERS, {"username": "another", "invite": "yes"}),
    (BOB, {"do": "invite"}),
    (BOB, {"do": "withdraw-invitation", **_YES}),
    (BOB, factor_of_bob),
    (BOB, {"do": "reset-factors", **_YES}),
    (BOB, {"do": "unlock"}),
    (BOB, {"do": "add-identity", "issuer": "company", "subject": "another-of-bob"}),
    (f"{CLIENTS}/disabled", {"do": "enable"}),
    (f"{USERS}/dora", {"do": "enable"}),
    (_MANIFEST, manifest),
    (_KEYS, {"do": "rotate", "rotate": "ES256", "typed": "ES256", **_YES}),
    (_KEYS, key_that_was_revoked),
]
# What an old session may do to things that hold no rights here.
ROUTINE: list[tuple[str, Fields]] = [
    (f"{_AUDIENCES}/my-os", {"do": "inspect"}),
    (_AUDIENCES, {"id": "new-os"}),
    (f"{_AUDIENCES}/new-os", the_newest(f"{_AUDIENCES}/new-os", {"do": "save", "name": "New"})),
    (f"{_AUDIENCES}/new-os", {"do": "delete", "typed": "new-os", **_YES}),
    (ROLES, {"do": "create", "name": "new", "scopes": "agents:read"}),
    (ROLES, {"do": "force", "name": "newer", "scopes": "custom:thing"}),
    (f"{ROLES}/new", the_newest(f"{ROLES}/new", {"do": "apply", "scopes": "agents:run"})),
    (BOB, {"do": "assign-role", "role": "plain", "audience": "my-os", **_YES}),
    (BOB, {"do": "unassign-role", "role": "plain", "audience": "my-os", **_YES}),
    (f"{ROLES}/new", {"do": "delete", "typed": "new", **_YES}),
    (PLAIN, {"do": "revoke-tokens", **_YES}),
    (PLAIN, {"do": "disable", **_YES}),
    (PLAIN, {"do": "delete", "typed": "plain", **_YES}),
    (USERS, {"username": "one-more"}),
    (GROUPS, {"name": "New group", "id": "new-group"}),
    (NEW_GROUP, {"do": "add-members", "users": "bob", **_YES}),
    (NEW_GROUP, {"do": "assign-role", "role": "plain", "audience": "my-os", **_YES}),
    (NEW_GROUP, {"do": "unassign-role", "role": "plain", "audience": "my-os", **_YES}),
    (NEW_GROUP, the_newest(NEW_GROUP, {"do": "save", "name": "Newer group"})),
    (NEW_GROUP, {"do": "remove-member", "user_id": "bob", **_YES}),
    (NEW_GROUP, {"do": "delete", "typed": "Newer group", **_YES}),
    (BOB, {"do": "end-delegation", "client_id": "with-keys", **_YES}),
    (BOB, {"do": "withdraw-consent", "client_id": "with-keys", **_YES}),
    (BOB, account_of_bob),
    (BOB, session_of_bob),
    (BOB, the_newest(BOB, {"do": "save", "username": "robert"})),
    (BOB, {"do": "revoke-tokens", **_YES}),
    (BOB, {"do": "disable", **_YES}),
    (BOB, {"do": "delete", "typed": "robert", **_YES}),
]
# What changes nothing.
READING: list[tuple[str, dict[str, str]]] = [
    (f"{ROLES}/plain", {"do": "edit", "version": "1", "scopes": "agents:run"}),
    (f"{ROLES}/plain", {"do": "review", "version": "1", "scopes": "agents:read"}),
    (f"{CLIENTS}/with-keys", {"do": "fetch-keys"}),
    (f"{CLIENTS}/with-keys", {"do": "retry-backchannel-logout"}),
    (f"{TRUSTED_ISSUERS}/cluster", {"do": "fetch-keys"}),
    (_MANIFEST, {"do": "plan", "source": "roles:\n- name: new\n  scopes: [issuer:admin]\n"}),
    (_TOKEN, {"client": "with-keys", "token": _OTHER.token(0)}),
]


@pytest.fixture
def arrange(request: pytest.FixtureRequest) -> Arrange:
    return with_privileged_resources if "issuer" in request.fixturenames else with_my_os


@pytest.fixture
def issuer(deployment: Deployment, clock: FakeClock) -> Iterator[Deployment]:
    deployment.client("disabled", disabled=True)
    deployment.user("dora", id="dora", disabled=True)
    people = People(deployment, clock)
    people.app_of("bob")
    people.passkey_of("bob")
    clock.move(timedelta(days=2))  # the next key may sign
    sign_in(deployment, "bob")
    with deployment.changing() as work:
        acting = frozenset({ActingClient("with-keys", "my-os")})
        allowed = (None, CALLBACK, frozenset[str](), frozenset({"openid"}), acting)
        work.consents.grant(AllowedAccess("bob", "with-keys", *allowed))
        told = {"backchannel_logout_uri": "https://app.example/logout"}
        work.clients.update("with-keys", told)
        work.identities.link("bob", "company", "account-of-bob", "Bob", work.authority.grantor)
    deployment.services.keys.rotator.poll()
    with inspectable(deployment):
        yield deployment


def signed_in_before(issuer: Deployment, clock: FakeClock) -> Mapping[str, Browser]:
    """Two admins whose sign-in is not enough, and why."""
    left_open = person(issuer, "left-open", [ISSUER_ADMIN])
    clock.move(ELEVEN_MINUTES)
    by_password = person(issuer, "by-password", [ISSUER_ADMIN])
    with issuer.services.administration.reading() as work:
        user_id = work.users.get_by_username("by-password").id
    People(issuer, clock).app_of(user_id)
    return {"eleven minutes ago": left_open, "by the password alone": by_password}


def as_now(issuer: Deployment, fields: Fields) -> dict[str, str]:
    return fields(issuer) if callable(fields) else fields


def require_sign_in(page: PageSeen, what: object) -> None:
    assert page.status == httpx.codes.SEE_OTHER, (what, page.text)
    assert page.location.startswith("/sign-in?next=%2Fconsole%2F"), what


def test_what_gives_access_or_holds_rights_here_needs_a_recent_sign_in(
    issuer: Deployment, clock: FakeClock
):
    """Nothing is changed by another one. By a recent one each is done; so is what admins alone may
    do, as `test_escalation` shows.
    """
    not_enough = signed_in_before(issuer, clock)
    before = stored(issuer)
    for way in FORMS.values():
        form = as_it_is_now(issuer, way)
        for why, browser in not_enough.items():
            require_sign_in(forged(issuer, browser, way.screen, **form), (why, way))
    assert stored(issuer) == before
    fresh = person(issuer, "fresh", [ISSUER_ADMIN])
    for path, given in ALWAYS:
        fields = as_now(issuer, given)
        before = stored(issuer)
        for why, browser in not_enough.items():
            require_sign_in(forged(issuer, browser, path, **fields), (why, path, fields))
        assert stored(issuer) == before, fields
        require_done(forged(issuer, fresh, path, **fields), (path, fields))
        assert stored(issuer) != before, (path, fields)


def test_an_old_session_does_what_gives_no_access(issuer: Deployment, clock: FakeClock):
    """Of things that hold no rights here; and it reads."""
    for browser in signed_in_before(issuer, clock).values():
        for path, given in READING:
            before = stored(issuer)
            require_done(forged(issuer, browser, path, **given), (path, given))
            assert stored(issuer) == before, (path, given)
    for path, given in ROUTINE:
        fields, before = as_now(issuer, given), stored(issuer)
        require_done(forged(issuer, browser, path, **fields), (path, fields))
        assert stored(issuer) != before, (path, fields)


def test_what_an_admin_changes_in_an_old_session_counts_as_given_by_an_admin(
    deployment: Deployment, admin: Browser, clock: FakeClock
):
    """Else the user would lose their password when they get rights here."""
    deployment.role("helper", ["issuer:users:read"])
    deployment.user("bob", id="bob")
    clock.move(ELEVEN_MINUTES)
    fields = as_now(deployment, the_newest(BOB, {"do": "save", "username": "robert"}))
    require_done(forged(deployment, admin, BOB, **fields), fields)
    with deployment.changing() as work:
        assert work.users.get("bob").username == "robert"
        work.assignments.assign("bob", Assignment(role="helper", audience=URL))
    assert work.new_privileges.warnings == []
    assert Browser(deployment.http).sign_in("robert").location == "/account"


def require_done(page: PageSeen, what: object) -> None:
    assert page.status in {httpx.codes.OK, httpx.codes.SEE_OTHER}, (what, page.text)
    assert not page.response.headers.get("location", "").startswith("/sign-in"), what


def test_the_tables_have_every_route_with_forms_and_everything_that_forms_do(issuer: Deployment):
    rows = [*ALWAYS, *ROUTINE, *READING, *((way.screen, way.form) for way in FORMS.values())]
    with_forms = {path for path, screen in SCREENS.items() if screen.write}
    with_forms |= {_MANIFEST, _TOKEN}
    tried = {template_of(path) for path, _ in rows}
    assert tried == with_forms
    assert with_forms <= routes(issuer)
    done = re.findall(r'"do": "([a-z-]+)"', Path(__file__).read_text())
    assert done_by_templates() <= {*done}


def template_of(path: str) -> str:
    """The path of the route."""
    if path in SCREENS:
        return path
    folder = "/".join(path.split("/")[:3])
    return f"{folder}/{{key:path}}"


def done_by_templates() -> set[str]:
    """What buttons of the console do, in any state of what they are about."""
    folder = files("issuer.web") / "templates" / "console"
    text = "".join(each.read_text() for each in folder.iterdir() if each.name.endswith(".html"))
    found = re.findall(r'name="do" value="([a-z-]+)"|button\(page, "([a-z-]+)"', text)
    return {one or other for one, other in found}


def test_a_form_of_an_old_session_can_be_sent_again_after_signing_in(
    admin: Browser, deployment: Deployment, clock: FakeClock
):
    """Nothing that was typed is lost, and nothing is done without another click."""
    page = admin.get(CLIENTS, new="service")
    clock.move(ELEVEN_MINUTES)
    refused = admin.submit(page, CLIENTS, client_id="ci-bot", name="Nightly <build>")
    again = admin.submit(admin.get(refused.location), "/sign-in", password=PASSWORD)
    before = stored(deployment)
    question = admin.get(again.location)
    assert "signed in again: go on" in question.text
    assert "Page /console/clients Kind service" in question.text
    assert "Name Nightly <build>" in question.text
    assert stored(deployment) == before
    assert "Nightly" not in admin.get(CLIENTS).text  # it is offered once
    done = admin.submit(question, CLIENTS)
    assert "The client ci-bot is created." in done.text
    assert "This form was sent already" in admin.submit(question, CLIENTS).text


def test_a_kept_form_is_for_its_session_and_page_alone(
    admin: Browser, deployment: Deployment, clock: FakeClock
):
    deployment.user("second", ["admin-role"])
    page = admin.get(CLIENTS, new="service")
    clock.move(ELEVEN_MINUTES)
    refused = admin.submit(page, CLIENTS, client_id="ci-bot")
    assert "ci-bot" not in repr(admin.cookies)
    kept = admin.cookies["__Host-again"]
    admin.submit(admin.get(refused.location), "/sign-in", password=PASSWORD)
    assert "go on" not in admin.get(USERS).text
    assert "go on" in admin.get(CLIENTS).text
    for username in ("second", "admin"):
        admin.submit(admin.get("/sign-out"), "/sign-out")
        admin.sign_in(username)
        admin.cookies["__Host-again"] = kept
        assert "go on" not in admin.get(CLIENTS).text


def test_a_kept_form_ends_after_ten_minutes_whatever_the_browser_keeps(
    admin: Browser, clock: FakeClock
):
    page = admin.get(CLIENTS, new="service")
    clock.move(ELEVEN_MINUTES)
    refused = admin.submit(page, CLIENTS, client_id="ci-bot")
    clock.move(ELEVEN_MINUTES)
    admin.submit(admin.get(refused.location), "/sign-in", password=PASSWORD)
    assert "__Host-again" in admin.cookies
    assert "go on" not in admin.get(CLIENTS).text


def test_a_form_that_was_sent_days_ago_makes_nothing_new_after_signing_in_again(
    admin: Browser, deployment: Deployment, clock: FakeClock
):
    """As after a reload of a page that was left open, which is kept meanwhile."""
    page = admin.get(CLIENTS, new="service")
    assert "is created" in admin.submit(page, CLIENTS).text
    for _ in range(6):
        clock.move(timedelta(hours=7))
        admin.get("/console")  # the session goes on
    deployment.services.factors.delete_expired()
    refused = admin.submit(page, CLIENTS)
    again = admin.submit(admin.get(refused.location), "/sign-in", password=PASSWORD)
    before = stored(deployment)
    sent = admin.submit(admin.get(again.location), CLIENTS)
    assert "This form was sent already" in sent.text
    assert stored(deployment) == before


def test_a_manifest_is_planned_again_after_signing_in_again(admin: Browser, clock: FakeClock):
    """Its end is not hidden behind a button that applies all of it."""
    source = f"# {'x' * 300}\nroles:\n- name: hidden\n  scopes: [issuer:admin]\n"
    page = admin.submit(admin.get(_MANIFEST), _MANIFEST, do="plan", source=source)
    clock.move(ELEVEN_MINUTES)
    refused = admin.submit(page, _MANIFEST, do="apply", source=source)
    again = admin.submit(admin.get(refused.location), "/sign-in", password=PASSWORD)
    shown = admin.get(again.location)
    assert "look at the plan again" in shown.text
    assert 'value="apply"' not in shown.response.text
    assert "name: hidden" in shown.text
    planned = admin.submit(shown, _MANIFEST, do="plan", source=source)
    assert "role hidden" in planned.text
    assert admin.submit(planned, _MANIFEST, do="apply", source=source).location == _MANIFEST


def test_what_the_page_leaves_out_of_a_kept_form_is_said(admin: Browser, clock: FakeClock):
    page = admin.get(CLIENTS, new="service")
    clock.move(ELEVEN_MINUTES)
    scopes = " ".join(f"agents:a{number}:run" for number in range(20))
    typed = {"scopes": scopes, "page": "/console"}
    refused = admin.post(CLIENTS, {**page.form(CLIENTS).fields, **typed})
    again = admin.submit(admin.get(refused.location), "/sign-in", password=PASSWORD)
    text = admin.get(again.location).text
    assert f"… ({len(scopes)} characters)" in text
    assert "Page /console/clients Kind" in text


@pytest.mark.parametrize("kind", ["people", "people-google"])
def test_a_kept_form_does_not_show_the_secret_that_was_typed(
    admin: Browser, deployment: Deployment, clock: FakeClock, kind: str
):
    """Only sends it, without another look at it."""
    page = admin.get(TRUSTED_ISSUERS, new=kind)
    clock.move(ELEVEN_MINUTES)
    typed = {"client_id": "ours", "client_secret": "a-secret", "customer": "acme.com"}
    typed |= {"id": "sso", "issuer": "https://sso.acme.com", "scopes": "openid"}
    refused = admin.submit(page, TRUSTED_ISSUERS, **typed)
    again = admin.submit(admin.get(refused.location), "/sign-in", password=PASSWORD)
    question = admin.get(again.location)
    assert "Client id ours" in question.text
    assert "a-secret" not in question.text
    admin.submit(question, TRUSTED_ISSUERS)
    with deployment.services.administration.reading() as work:
        assert work.trusted_issuers.get("sso").sign_in is not None


def test_a_form_too_large_for_a_cookie_is_not_kept_and_the_page_says_so(
    admin: Browser, deployment: Deployment, clock: FakeClock
):
    page = admin.get(CLIENTS, new="service")
    clock.move(ELEVEN_MINUTES)
    refused = admin.submit(
        page, CLIENTS, name=deployment.services.web.random.randbytes(3_000).hex()
    )
    again = admin.submit(admin.get(refused.location), "/sign-in", password=PASSWORD)
    assert "Nothing was changed: this needs a sign-in" in admin.get(again.location).text


def test_rights_are_checked_before_anybody_is_asked_to_sign_in_again(
    signed_in: SignedIn, deployment: Deployment, clock: FakeClock
):
    browser = signed_in("issuer:clients:read")
    clock.move(ELEVEN_MINUTES)
    refused = forged(deployment, browser, CLIENTS, client_id="mine")
    assert refused.status == httpx.codes.FORBIDDEN


@pytest.mark.parametrize("do", ["invite", "reset-factors", "remove-factor"])
def test_nobody_invites_or_resets_themself(admin: Browser, deployment: Deployment, do: str):
    """An invitation would set a password without the old one."""
    with deployment.services.administration.reading() as work:
        user_id = work.users.get_by_username("admin").id
    before = stored(deployment)
    for key in (user_id, user_id.upper()):
        form = {"do": do, "confirmed": "yes", "factor_id": "x"}
        refused = forged(deployment, admin, f"{USERS}/{key}", **form)
        assert refused.status == httpx.codes.CONFLICT
        assert "change how you sign in on your account page" in refused.text
        assert 'href="/account"' in refused.response.text
    assert stored(deployment) == before
    page = admin.get(f"{USERS}/{user_id}")
    assert f'value="{do}"' not in page.response.text
    assert 'href="/account"' in page.response.text


def test_a_password_alone_does_not_remove_a_factor_that_was_added_since(
    deployment: Deployment, clock: FakeClock, browser: Browser
):
    """On `/account`, by the same rule."""
    user_id = deployment.user("alice")
    browser.sign_in()
    People(deployment, clock).app_of(user_id)
    with deployment.services.administration.reading() as work:
        (factor,) = work.factors.of_user(user_id)
    page = browser.get("/account/remove-factor", factor=factor.id)
    assert page.location.startswith("/sign-in?next=")
    asked = browser.get(page.location)
    assert "second factor included" in asked.text
