"""`/console/groups`: members and roles of groups, and where rights of users come from."""

import httpx
import pytest

from issuer.roles import Assignment
from issuer.scopes import ISSUER_ADMIN
from issuer.users import UserFields
from tests.builders import Deployment
from tests.html_forms import FormsOnPage
from tests.web.browsing import Browser
from tests.web.console.conftest import SignedIn, forged, stored

LIST, PAGE = "/console/groups", "/console/groups/platform"
READ, WRITE, USERS_READ = "issuer:groups:read", "issuer:groups:write", "issuer:users:read"


@pytest.fixture
def platform(deployment: Deployment) -> None:
    """A group of alice and bob, who may run the agent Web at my-os."""
    deployment.role("web", ["agents:web:run"])
    for name in ("alice", "bob", "carol"):
        deployment.user(name, id=name, password=None)
    deployment.group("Platform", ["alice", "bob"], id="platform", description="Runs the servers")
    with deployment.changing() as work:
        work.assignments.assign("platform", Assignment(role="web", audience="my-os"))


def members(deployment: Deployment) -> list[str]:
    with deployment.services.administration.reading() as work:
        return [each.user_id for each in work.groups.members("platform", None, 1_000)]


def test_a_group_is_created_changed_and_deleted(admin: Browser, deployment: Deployment):
    assert "There is no group yet." in admin.get(LIST).text
    done = forged(deployment, admin, LIST, name="Platform", id="platform")
    assert done.location == PAGE
    shown = admin.follow(done).text
    assert "The group platform is created." in shown
    assert "issuer group create Platform --id platform" in shown
    taken = forged(deployment, admin, LIST, name="PLATFORM")
    assert (taken.status, "is taken" in taken.text) == (409, True)
    saved = forged(deployment, admin, PAGE, do="save", version="1", name="Operations")
    assert "issuer group update platform --name Operations" in admin.follow(saved).text
    assert "Operations" in admin.get(LIST, search="oper").text
    asked = forged(deployment, admin, PAGE, do="delete")
    assert "It has 0 members and 0 roles" in asked.text
    gone = forged(deployment, admin, PAGE, do="delete", confirmed="yes", typed="Operations")
    assert "The group Operations is deleted." in admin.follow(gone).text


def test_who_is_in_it_and_what_it_gives(admin: Browser, platform: None):
    page = admin.get(PAGE)
    for text in ("Runs the servers", "alice", "bob", "web", "my-os", "Members 2"):
        assert text in page.text
    assert f'href="{LIST}/platform"' in admin.get(LIST).response.text
    assert 'href="/console/users/alice"' in page.response.text


def test_each_member_that_was_added_is_a_line_of_its_own(admin: Browser, platform: None):
    shown = admin.get(PAGE).text
    assert "added alice to the group" in shown
    assert "added bob to the group" in shown


def test_members_are_added_after_a_question_that_names_what_they_gain(
    admin: Browser, deployment: Deployment, platform: None
):
    users = "CAROL\n\n bob \n"
    asked = forged(deployment, admin, PAGE, do="add-members", users=users)
    assert "Add carol, bob to Platform?" in asked.text
    assert "carol gains agents:web:run at my-os" in asked.text
    assert "bob gains" not in asked.text
    assert members(deployment) == ["alice", "bob"]
    done = forged(deployment, admin, PAGE, do="add-members", users=users, confirmed="yes")
    assert "issuer group member add platform carol bob" in admin.follow(done).text
    assert members(deployment) == ["alice", "bob", "carol"]


@pytest.mark.parametrize(
    ("users", "message"), [("", "Name one user"), ("nobody", "There is no user 'nobody'.")]
)
def test_an_unknown_user_is_an_error_at_the_field(
    admin: Browser, deployment: Deployment, platform: None, users: str, message: str
):
    refused = forged(deployment, admin, PAGE, do="add-members", users=users)
    assert refused.status == httpx.codes.BAD_REQUEST
    assert message in refused.text
    assert members(deployment) == ["alice", "bob"]


def test_a_member_is_removed_after_a_question(
    admin: Browser, deployment: Deployment, platform: None
):
    asked = forged(deployment, admin, PAGE, do="remove-member", user_id="bob")
    assert "bob loses agents:web:run at my-os" in asked.text
    assert "The access tokens that members have now are revoked" in asked.text
    done = forged(deployment, admin, PAGE, do="remove-member", user_id="bob", confirmed="yes")
    assert "Removed from Platform: bob." in admin.follow(done).text
    assert members(deployment) == ["alice"]


def test_a_question_about_a_role_names_the_members(
    admin: Browser, deployment: Deployment, platform: None
):
    deployment.role("read", ["agents:read"])
    form = {"role": "read", "audience": "my-os"}
    asked = forged(deployment, admin, PAGE, do="assign-role", **form)
    assert "Platform gains agents:read." in asked.text
    assert "It has 2 members." in asked.text
    assert "alice gains agents:read at my-os" in asked.text
    forged(deployment, admin, PAGE, do="assign-role", **form, confirmed="yes")
    asked = forged(deployment, admin, PAGE, do="unassign-role", **form)
    assert "bob loses agents:read at my-os" in asked.text
    assert "revoked" in asked.text
    assert "keep what they have" not in asked.text


def test_a_group_that_was_changed_after_the_question_is_asked_about_again(
    admin: Browser, deployment: Deployment, platform: None
):
    """So that nobody gets rights whom the page did not name."""
    deployment.role("read", ["agents:read"])
    form = {"do": "assign-role", "role": "read", "audience": "my-os"}
    asked = forged(deployment, admin, PAGE, **form).form(PAGE).fields
    assert asked["confirmed"] == "yes"
    with deployment.changing() as work:
        work.groups.add_members("platform", ["carol"])
    again = admin.post(PAGE, asked)
    assert "carol gains agents:read at my-os" in again.text
    with deployment.services.administration.reading() as work:
        assert [each.role for each in work.assignments.of("platform")] == ["web"]
    admin.post(PAGE, again.form(PAGE).fields)
    with deployment.services.administration.reading() as work:
        assert [each.role for each in work.assignments.of("platform")] == ["read", "web"]


def test_a_change_of_a_role_names_the_members_who_gain(
    admin: Browser, deployment: Deployment, platform: None
):
    form = {"do": "review", "version": "1", "scopes": "agents:web:run agents:read"}
    review = forged(deployment, admin, "/console/roles/web", **form)
    assert 'href="/console/users/alice"' in review.response.text
    assert "agents:read" in review.text
    role = admin.get("/console/roles/web")
    assert f'href="{PAGE}"' in role.response.text
    asked = forged(deployment, admin, "/console/roles/web", do="delete")
    assert "assigned to group Platform" in asked.text


def test_the_page_of_a_user_says_which_group_gives_what(
    admin: Browser, deployment: Deployment, platform: None
):
    page = admin.get("/console/users/alice", at="my-os")
    assert page.text.count("through the group Platform") == 2
    assert "unassign-role" not in {value for _, value in buttons(page.response.text)}
    assert "1 membership" in forged(deployment, admin, "/console/users/alice", do="delete").text


def buttons(html: str) -> list[tuple[str, str]]:
    return [each for form in FormsOnPage(html).forms for each in form.buttons]


def test_the_matrix_has_users_with_rights_through_groups(admin: Browser, platform: None):
    page = admin.get("/console/audiences/my-os")
    assert 'href="/console/users/alice"' in page.response.text
    assert 'href="/console/users/carol"' not in page.response.text
    assert (
        'href="/console/users/bob"'
        in admin.get("/console/audiences/my-os", subject="bo").response.text
    )
    assert "1 client, user or group has a role at it" in page.text


def test_explain_names_the_group(admin: Browser, platform: None):
    asked = "subject=alice&audience=my-os&method=POST&path=/agents/web/runs"
    assert "through the group Platform" in admin.get(f"/console/explain?{asked}").text


def test_members_are_shown_in_pages(admin: Browser, deployment: Deployment, platform: None):
    with deployment.changing() as work:
        for number in range(50):
            user = work.users.create(UserFields(username=f"user-{number}"))
            work.groups.add_members("platform", [user.id])
    page = admin.get(PAGE)
    assert "Members 52" in page.text
    assert "Next page" in page.text
    assert "First page" in admin.get(PAGE, after="alice").text


def test_who_may_only_read_sees_names_and_changes_nothing(
    signed_in: SignedIn, deployment: Deployment, platform: None
):
    browser = signed_in(READ)
    page = browser.get(PAGE)
    assert "alice" in page.text
    assert 'href="/console/users/alice"' not in page.response.text
    assert buttons(page.response.text) == []
    before = stored(deployment)
    for form in (
        {"do": "add-members", "users": "carol"},
        {"do": "remove-member", "user_id": "bob"},
        {"do": "save", "version": "1", "name": "x"},
        {"do": "delete", "typed": "Platform"},
    ):
        refused = forged(deployment, browser, PAGE, **form, confirmed="yes")
        assert refused.status == httpx.codes.FORBIDDEN
    assert stored(deployment) == before


def test_who_may_not_read_users_is_not_told_what_they_gain(
    signed_in: SignedIn, deployment: Deployment, platform: None
):
    asked = forged(deployment, signed_in(WRITE), PAGE, do="add-members", users="carol")
    assert "Add carol to Platform?" in asked.text
    assert "carol gains" not in asked.text


def test_whoever_gets_rights_at_the_issuer_by_a_group_is_warned_about(
    admin: Browser, deployment: Deployment, platform: None, signed_in: SignedIn
):
    helper = signed_in("issuer:users:write")
    forged(deployment, helper, "/console/users/carol", do="invite")
    deployment.role("administrator", [ISSUER_ADMIN])
    with deployment.changing() as work:
        work.assignments.assign("platform", Assignment(role="administrator"))
    form = {"do": "add-members", "users": "carol", "confirmed": "yes"}
    done = admin.follow(forged(deployment, admin, PAGE, **form))
    assert "carol has rights at the issuer now and cannot sign in" in done.text
