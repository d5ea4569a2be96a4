"""`/console/users`: the list, and new users."""

import httpx
import pytest

from issuer.sign_in import InvitationFields
from tests.builders import URL, Deployment
from tests.oauth.refreshing import events
from tests.sign_in.people import People
from tests.web.browsing import Browser, PageSeen
from tests.web.console.conftest import SignedIn, forged

LIST = "/console/users"
READ, WRITE = "issuer:users:read", "issuer:users:write"


def create(browser: Browser, *, invited: bool = False, **typed: str) -> PageSeen:
    fields = browser.get(LIST, new="yes").form(LIST).fields
    kept = {name: value for name, value in fields.items() if invited or name != "invite"}
    return browser.post(LIST, {**kept, **typed})


def test_a_person_is_created_with_a_role_and_invited_in_one_step(
    signed_in: SignedIn, deployment: Deployment
):
    deployment.role("reader", ["agents:read"])
    operator = signed_in(WRITE)
    page = create(
        operator,
        invited=True,
        username="alice",
        name="Alice Example",
        email="alice@example.com",
        roles="reader",
        audience="my-os",
    )
    assert page.status == httpx.codes.OK
    assert "The user alice is created." in page.text
    assert "--email alice@example.com --name 'Alice Example'" in page.text
    (created, *_) = [e for e in events(deployment, "user.created") if e.actor != "test:operator"]
    assert f"issuer user role assign {created.target} reader --audience my-os" in page.text
    assert events(deployment, "role.assigned")[-1].details["audience"] == "my-os"
    link = page.text.partition(f"{URL}/invitation/")[2].split()[0]
    assert "Welcome, Alice Example" in Browser(deployment.http).get(f"/invitation/{link}").text


def test_the_link_is_shown_only_in_the_answer(admin: Browser, deployment: Deployment):
    page = create(admin, invited=True, username="alice", id="alice")
    link = page.text.partition(f"{URL}/invitation/")[2].split()[0]
    assert page.response.headers["cache-control"] == "no-store"
    assert link not in str(page.response.headers)
    assert link not in admin.get(f"{LIST}/alice").response.text
    assert link not in str([e.details for e in events(deployment, "invitation.created")])


def test_without_an_invitation_the_page_of_the_user_is_next(admin: Browser, deployment: Deployment):
    done = create(admin, username="alice", id="alice")
    assert done.location == f"{LIST}/alice"
    page = admin.follow(done)
    assert "The user alice is created." in page.text
    assert "issuer user create alice --id alice" in page.text
    assert "alice cannot sign in" in page.text
    assert not events(deployment, "invitation.created")


def test_errors_stand_at_their_field_with_what_was_typed(admin: Browser, deployment: Deployment):
    deployment.role("reader", ["agents:read"])
    deployment.user("taken", id="taken-id")
    for typed, status, message in (
        ({"username": ""}, 400, "at least 1 character"),
        ({"username": "TAKEN"}, 409, "'TAKEN' is taken"),
        ({"id": "Taken-Id"}, 409, "'Taken-Id' is taken"),
        ({"email": "nobody"}, 400, "must look like name@host"),
        ({"roles": "reader"}, 400, "Name the audience"),
        ({"roles": "no-role", "audience": "my-os"}, 400, "There is no role"),
        ({"roles": "reader", "audience": "nowhere"}, 400, "There is no audience"),
    ):
        page = create(admin, **{"username": "new", "name": "Typed", **typed})
        assert page.status == status, typed
        assert message in page.text
        assert 'value="Typed"' in page.response.text
    assert [e.actor for e in events(deployment, "user.created")].count("test:operator") == len(
        events(deployment, "user.created")
    )


def test_who_may_only_read_sees_no_form_and_creates_nothing(
    signed_in: SignedIn, deployment: Deployment
):
    operator = signed_in(READ)
    assert "New user" not in operator.get(LIST).text
    assert operator.get(LIST, new="yes").status == httpx.codes.FORBIDDEN
    refused = forged(deployment, operator, LIST, username="mine")
    assert refused.status == httpx.codes.FORBIDDEN
    assert "mine" not in operator.get(LIST).text


def test_without_the_scope_there_is_no_list_and_no_entry_in_the_menu(signed_in: SignedIn):
    browser = signed_in("issuer:clients:read")
    assert browser.get(LIST).status == httpx.codes.FORBIDDEN
    assert "Users" not in browser.get("/console/clients").text


def test_only_an_admin_creates_a_user_with_rights_at_the_issuer(
    signed_in: SignedIn, deployment: Deployment
):
    operator = signed_in(WRITE)
    deployment.role("auditor", ["issuer:audit:read"])
    page = create(operator, username="mine", roles="auditor", audience=URL)
    assert page.status == httpx.codes.FORBIDDEN
    assert "issuer:admin" in page.text
    assert "mine" not in operator.get(LIST).text


def test_the_list_says_state_and_how_people_sign_in(
    admin: Browser, deployment: Deployment, people: People
):
    people.app_of(deployment.user("alice", id="a", name="Alice", email="alice@example.com"))
    deployment.user("bob", id="b", disabled=True)
    deployment.user("carol", id="c", password=None)
    dave = deployment.user("dave", id="d", password=None)
    with deployment.changing() as work:
        work.invitations.create(dave, InvitationFields())
    text = admin.get(LIST).text
    assert "alice Alice alice@example.com password, authenticator app" in text
    assert "bob disabled password" in text
    assert "carol nothing yet" in text
    assert "dave invited nothing yet" in text


@pytest.mark.parametrize("search", ["AL", "usr-1"])
def test_a_user_is_found_by_the_beginning_of_name_or_id(
    admin: Browser, deployment: Deployment, search: str
):
    deployment.user("alice", id="usr-1")
    deployment.user("bob", id="other")
    text = admin.get(LIST, search=search).text
    assert "alice" in text
    assert "bob" not in text


def test_a_long_list_has_pages(admin: Browser, deployment: Deployment):
    for number in range(51):
        deployment.user(f"user-{number:02}", password=None, id=f"a-{number:02}")
    page = admin.get(LIST)
    assert "user-49" in page.text
    assert "user-50" not in page.text
    assert "user-50" in admin.get(LIST, after="a-49").text


def test_an_empty_search_says_so(admin: Browser):
    assert "No user name or id begins with “zzz”." in admin.get(LIST, search="zzz").text
