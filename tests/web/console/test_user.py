"""`/console/users/{key}`: one user; how the user signs in is in test_user_means.py."""

import httpx
import pytest

from issuer.audit import Actor
from issuer.roles import Assignment
from tests.builders import PASSWORD, URL, Deployment
from tests.drivers import TokenDriver
from tests.oauth.refreshing import events
from tests.web.browsing import Browser, PageSeen
from tests.web.console.conftest import SignedIn, forged, send

PAGE = "/console/users/alice-id"
READ, WRITE = "issuer:users:read", "issuer:users:write"
ACTS = (
    *(
        "save",
        "enable",
        "disable",
        "unlock",
        "revoke-tokens",
        "delete",
        "invite",
        "withdraw-invitation",
    ),
    *("remove-factor", "reset-factors", "end-session", "withdraw-consent"),
)


@pytest.fixture(autouse=True)
def alice(deployment: Deployment) -> str:
    deployment.role("web-runner", ["agents:web:run"])
    return deployment.user("alice", ["web-runner"], id="alice-id", name="Alice Example")


def edit(browser: Browser, **typed: str) -> PageSeen:
    form = browser.get(PAGE, edit="yes").form(PAGE).fields
    return browser.post(PAGE, {**form, "do": "save", **typed})


def test_the_box_of_a_verified_address_counts_for_no_other(admin: Browser, deployment: Deployment):
    def email() -> tuple[str | None, bool]:
        with deployment.services.administration.reading() as work:
            user = work.users.get("alice-id")
        return user.email, user.email_verified

    # As a browser, the form has the box only where it is checked.
    assert "needs an email" in edit(admin, email="", email_verified="yes").text
    done = edit(admin, email="a@example.com", email_verified="yes")
    assert "--email-verified" in admin.follow(done).text
    assert email() == ("a@example.com", True)
    assert "a@example.com verified" in admin.get(PAGE).text
    edit(admin, name="Alice")
    assert email() == ("a@example.com", True)
    edit(admin, email="b@example.com")
    assert email() == ("b@example.com", False)


def confirm(browser: Browser, page: PageSeen, **typed: str) -> PageSeen:
    return browser.submit(page, PAGE, **typed)


def test_rights_are_said_in_words_with_where_they_come_from(admin: Browser, deployment: Deployment):
    with deployment.changing() as work:
        work.assignments.assign("alice-id", Assignment(role="web-runner", audience="my-os"))
    text = admin.get(PAGE).text
    assert "Alice Example active" in text
    assert "agents:web:run Run the agent web web-runner everywhere" in text
    there = admin.get(PAGE, at="my-os").text
    assert "Rights at my-os" in there
    assert there.count("agents:web:run") == 1


def test_rights_at_the_issuer_are_shown_first_if_there_are_no_others(
    admin: Browser, deployment: Deployment
):
    deployment.user("root", ["admin-role"], id="root-id")
    text = admin.get("/console/users/root-id").text
    assert f"Rights at {URL}" in text
    assert "issuer:admin Do everything at this issuer" in text


def test_a_token_is_shown_as_it_would_be_through_a_client(admin: Browser, deployment: Deployment):
    deployment.client("app", user_rights="all", grant_types=["password"])
    page = admin.get(PAGE, through="app", at="my-os")
    assert '"sub": "alice-id"' in page.text
    assert '"agents:web:run"' in page.text
    assert "bytes. Nothing is issued." in page.text
    assert "issuer preview app --user alice-id --audience my-os" in page.text
    assert not events(deployment, "token.issued")
    for through, at in (("nobody", "my-os"), ("app", "nowhere"), ("\x7f", "\x7f"), ("app", URL)):
        assert "There is none:" in admin.get(PAGE, through=through, at=at).text


def test_a_token_through_a_client_needs_the_scope_to_read_clients(
    signed_in: SignedIn, deployment: Deployment
):
    deployment.client("app", user_rights="all", grant_types=["password"])
    text = signed_in(READ).get(PAGE, through="app", at="my-os").text
    assert "A token as it would be now" not in text
    assert '"sub"' not in text


def test_who_may_only_read_sees_no_button_and_changes_nothing(
    signed_in: SignedIn, deployment: Deployment
):
    operator = signed_in(READ)
    page = operator.get(PAGE)
    assert "<button" not in page.response.text.partition('class="screen"')[2]
    for do in ("assign-role", *ACTS):
        refused = forged(deployment, operator, PAGE, do=do, confirmed="yes", typed="alice")
        assert refused.status == httpx.codes.FORBIDDEN, do
    assert operator.get(PAGE, edit="yes").status == httpx.codes.FORBIDDEN


def test_a_user_with_rights_at_the_issuer_is_only_changed_by_an_admin(
    signed_in: SignedIn, deployment: Deployment
):
    deployment.role("auditor", ["issuer:audit:read"])
    deployment.user("bob", ["auditor"], id="bob-id")
    operator, page = signed_in(WRITE), "/console/users/bob-id"
    shown = operator.get(page).text
    assert "only holders of issuer:admin may change" in shown
    assert "Delete user" not in shown
    assert operator.get(page, edit="yes").status == httpx.codes.FORBIDDEN
    for do in ACTS:
        refused = forged(deployment, operator, page, do=do, confirmed="yes", typed="bob")
        assert refused.status == httpx.codes.FORBIDDEN, do
    assert not events(deployment, "invitation.created")


def test_what_happened_is_only_shown_to_who_may_read_the_audit_log(
    signed_in: SignedIn, deployment: Deployment
):
    shown = signed_in(READ).get(PAGE).text
    assert "Recent events" not in shown
    assert "Sign-ins" not in shown
    auditor = signed_in(READ, "issuer:audit:read", username="auditor")
    assert "created the user alice" in auditor.get(PAGE).text


def test_sign_ins_are_shown_with_address_and_result(admin: Browser, deployment: Deployment):
    browser = Browser(deployment.http)
    browser.sign_in("alice", "wrong password of alice")
    browser.sign_in("alice")
    text = admin.get(PAGE).text.partition("Sign-ins")[2]
    assert "signed in with password" in text
    assert "refused: wrong password failed" in text
    assert text.index("signed in with password") < text.index("refused: wrong password")


def test_sign_ins_are_found_behind_many_other_events(
    admin: Browser, deployment: Deployment, token_endpoint: TokenDriver
):
    client = deployment.client("app", user_rights="all", grant_types=["password"])
    Browser(deployment.http).sign_in("alice")
    for _ in range(30):
        token_endpoint.password(client, "alice")
    assert "signed in with password" in admin.get(PAGE).text


def test_a_role_is_assigned_after_saying_what_it_gives(admin: Browser, deployment: Deployment):
    deployment.role("reader", ["agents:read"])
    asked = send(admin, PAGE, do="assign-role", role="reader", audience="my-os")
    assert "alice gains agents:read." in asked.text
    done = admin.follow(confirm(admin, asked))
    assert "The role reader is assigned to alice, at my-os." in done.text
    assert "issuer user role assign alice-id reader --audience my-os" in done.text
    assert events(deployment, "role.assigned")[-1].target == "alice-id"


def test_a_role_is_unassigned_after_saying_what_is_lost(admin: Browser, deployment: Deployment):
    asked = send(admin, PAGE, do="unassign-role", role="web-runner", everywhere="yes")
    assert "alice loses agents:web:run." in asked.text
    admin.follow(confirm(admin, asked))
    assert events(deployment, "role.unassigned")[-1].target == "alice-id"


def test_a_role_of_the_issuer_is_only_assigned_by_an_admin(
    signed_in: SignedIn, deployment: Deployment
):
    operator = signed_in(WRITE)
    deployment.role("key-reader", ["issuer:keys:read"])
    for confirmed in ({}, {"confirmed": "yes"}):
        page = send(
            operator, PAGE, do="assign-role", role="key-reader", everywhere="yes", **confirmed
        )
        assert page.status == httpx.codes.FORBIDDEN


def test_name_email_and_claims_are_changed(admin: Browser, deployment: Deployment):
    done = admin.follow(
        edit(admin, username="alicia", name="", email="a@example.com", claims='{"team": "a"}')
    )
    assert "The user alicia is changed." in done.text
    assert (
        "issuer user update alice-id --username alicia --email a@example.com --name ''" in done.text
    )
    user = deployment.services.tokens.directory.load_user("alice-id")
    assert (user.username, user.email, user.claims) == ("alicia", "a@example.com", {"team": "a"})
    assert events(deployment, "user.updated")[-1].details["to"] == {"username": "alicia"}


def test_what_cannot_be_saved_stands_at_its_field(admin: Browser, deployment: Deployment):
    deployment.user("taken")
    for typed, status, message in (
        ({"username": "taken"}, 409, "'taken' is taken"),
        ({"email": "nobody"}, 400, "must look like name@host"),
        ({"claims": "{"}, 400, "is not JSON"),
        ({"claims": '{"sub": "me"}'}, 400, "sub is set by the issuer"),
    ):
        page = edit(admin, name="Typed", **typed)
        assert page.status == status
        assert message in page.text
        assert 'value="Typed"' in page.response.text
    assert not events(deployment, "user.updated")


def test_a_conflict_shows_both_versions_and_saves_nothing(admin: Browser, deployment: Deployment):
    form = admin.get(PAGE, edit="yes").form(PAGE).fields
    with deployment.changing() as work:
        work.users.update("alice-id", {"name": "Theirs"})
    page = admin.post(PAGE, {**form, "name": "Mine", "do": "save"})
    assert page.status == httpx.codes.CONFLICT
    assert "Now: Theirs" in page.text
    assert 'value="Mine"' in page.response.text
    assert deployment.services.tokens.directory.load_user("alice-id").name == "Theirs"
    saved = admin.submit(page, PAGE, name="Mine", do="save")
    assert saved.status == httpx.codes.SEE_OTHER


def test_disabling_asks_and_signs_out_everywhere(admin: Browser, deployment: Deployment):
    browser = Browser(deployment.http)
    browser.sign_in("alice")
    asked = send(admin, PAGE, do="disable")
    assert "revoked tokens stay revoked" in asked.text
    done = admin.follow(confirm(admin, asked))
    assert "issuer user update alice-id --disabled" in done.text
    assert "Alice Example disabled" in done.text
    assert browser.get("/account").location.startswith("/sign-in")
    admin.follow(send(admin, PAGE, do="enable"))
    assert events(deployment, "user.updated")[-1].details["to"] == {"disabled": False}


def test_a_locked_user_is_unlocked(admin: Browser, deployment: Deployment):
    guard, elsewhere = deployment.services.sign_in.guard, Actor(address="203.0.113.9")
    for attempt in [guard.begin("alice-id", "alice", elsewhere.address) for _ in range(10)]:
        guard.end(attempt, elsewhere, succeeded=False)
    text = admin.get(PAGE).text
    assert "Alice Example active locked" in text
    assert "The lock ends in 15 minutes" in text
    assert "the right password is answered like a wrong one" in text
    assert "locked after wrong attempts" in text
    done = admin.follow(send(admin, PAGE, do="unlock"))
    assert "issuer user unlock alice-id" in done.text
    assert "The lock ends" not in done.text
    assert events(deployment, "user.unlocked")[-1].target == "alice-id"


def test_a_user_is_signed_out_everywhere_after_asking(admin: Browser, deployment: Deployment):
    browser = Browser(deployment.http)
    browser.sign_in("alice")
    done = admin.follow(confirm(admin, send(admin, PAGE, do="revoke-tokens")))
    assert "alice is signed out everywhere." in done.text
    assert "issuer user revoke-tokens alice-id" in done.text
    assert "no sessions" in done.text
    assert events(deployment, "user.tokens_revoked")[-1].target == "alice-id"
    assert browser.sign_in("alice", PASSWORD).location == "/account"


def test_a_user_is_deleted_by_typing_the_name(admin: Browser, deployment: Deployment):
    Browser(deployment.http).sign_in("alice")
    asked = send(admin, PAGE, do="delete")
    assert "Deleted with the user: 1 assigned role. Every session ends" in asked.text
    wrong = confirm(admin, asked, typed="Alice")
    assert wrong.status == httpx.codes.BAD_REQUEST
    assert "This is not alice." in wrong.text
    done = admin.follow(confirm(admin, wrong, typed="alice"))
    assert "alice is deleted." in done.text
    assert events(deployment, "user.deleted")[-1].target == "alice-id"
    assert admin.get(PAGE).status == httpx.codes.NOT_FOUND


def test_somebody_is_warned_before_ending_their_own_sessions(
    admin: Browser, deployment: Deployment
):
    with deployment.changing() as work:
        key = work.users.get_by_username("admin").id
    page = f"/console/users/{key}"
    asked = send(admin, page, do="disable")
    assert "This is you: you are signed out, too." in asked.text
    done = admin.submit(asked, page)
    assert admin.follow(done).status == httpx.codes.OK
    assert admin.get("/console").location.startswith("/sign-in")


def test_a_user_whose_id_has_punctuation_has_a_page(admin: Browser, deployment: Deployment):
    key = "auth0|carol@example.com:1"
    deployment.user("carol", id=key)
    link = "/console/users/auth0%7Ccarol%40example.com%3A1"
    assert link in admin.get("/console/users", search="carol").response.text
    assert key in admin.get(link).text
    done = send(admin, link, do="revoke-tokens", confirmed="yes")
    assert "carol is signed out everywhere." in admin.follow(done).text


def test_other_screens_lead_to_the_page(admin: Browser, deployment: Deployment):
    deployment.role("team-reader", ["teams:read"])
    link = f'href="{PAGE}"'
    assert link in admin.get("/console/roles/web-runner").response.text
    query = "subject=alice&audience=my-os&method=GET&path=/teams"
    answer = admin.get(f"/console/explain?{query}").response.text
    assert link in answer
    assert f'href="{PAGE}#roles"' in answer
    (event,) = [e for e in events(deployment, "user.created") if e.target == "alice-id"]
    assert link in admin.get(f"/console/audit/{event.id}").response.text


def test_the_page_of_an_event_links_only_to_what_may_be_read(
    signed_in: SignedIn, deployment: Deployment
):
    (event,) = [e for e in events(deployment, "user.created") if e.target == "alice-id"]
    auditor = signed_in("issuer:audit:read")
    assert PAGE not in auditor.get(f"/console/audit/{event.id}").response.text


def test_stored_texts_are_shown_as_text(admin: Browser, deployment: Deployment):
    for text in ("<script>alert(1)</script>", "{{ 7*7 }}", "\"'><b>"):
        with deployment.changing() as work:
            work.users.update("alice-id", {"name": text, "claims": {"team": text}})
        for page in (admin.get(PAGE), admin.get(PAGE, edit="yes"), admin.get("/console/users")):
            assert page.status == httpx.codes.OK
            assert "<script>" not in page.response.text
            assert "<b>" not in page.response.text
            assert text in page.text or text in page.form(PAGE).fields["name"]


def test_the_question_shows_no_scopes_to_a_person_who_may_not_read_roles(
    signed_in: SignedIn, deployment: Deployment
):
    deployment.role("secret-plans", ["agents:plans:run"])
    deployment.user("dora", id="dora")
    path, form = "/console/users/dora", {"role": "secret-plans", "everywhere": "yes"}
    asked = send(signed_in("issuer:users:write"), path, do="assign-role", **form)
    assert "gains the scopes of the role, unless it holds them otherwise" in asked.text
    assert "agents:plans:run" not in asked.text
    reader = signed_in("issuer:users:write", "issuer:roles:read", username="reader")
    assert "gains agents:plans:run" in send(reader, path, do="assign-role", **form).text


def test_the_page_of_a_user_is_found_by_the_name(admin: Browser):
    for name in ("alice", "ALICE"):
        assert admin.get(f"/console/users/{name}").location == PAGE
    assert admin.get("/console/users/alice", edit="yes").location == PAGE
    assert admin.get("/console/users/nobody").status == httpx.codes.NOT_FOUND


def test_who_may_not_read_users_does_not_learn_who_exists(signed_in: SignedIn):
    operator = signed_in("issuer:clients:read")
    for name in ("alice", "alice-id", "nobody"):
        assert operator.get(f"/console/users/{name}").status == httpx.codes.FORBIDDEN


def test_what_a_user_does_not_have_is_one_sentence(admin: Browser, deployment: Deployment):
    deployment.user("new", id="new-id", password=None)
    text = admin.get("/console/users/new-id").text
    assert (
        "No second factors or passkeys, no accounts at trusted issuers, no sessions,"
        " no clients that act for the user, no sign-ins in the audit log."
    ) in text
    assert "None." not in text
