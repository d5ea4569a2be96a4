"""What is done to several users or clients of a list at once."""

import httpx
import pytest

from issuer.web.console.screens import several
from tests.builders import Deployment
from tests.oauth.refreshing import events
from tests.web.browsing import Browser, PageSeen
from tests.web.console.conftest import SignedIn, forged, stored

USERS, CLIENTS = "/console/users", "/console/clients"
WRITE = "issuer:users:write"


@pytest.fixture(autouse=True)
def people(deployment: Deployment) -> None:
    for name in ("alice", "bob", "carol"):
        deployment.user(name, id=f"{name}-id", password=None)


def select(browser: Browser, path: str, do: str, *keys: str, **typed: str) -> PageSeen:
    fields = browser.get(path).form(path).fields
    chosen = {f"select {key}": "yes" for key in keys}
    return browser.post(path, {**fields, "do": do, **chosen, **typed})


def done_to(deployment: Deployment, action: str) -> list[str | None]:
    return [each.target for each in events(deployment, action)]


def test_users_are_disabled_after_one_question(signed_in: SignedIn, deployment: Deployment):
    operator = signed_in(WRITE)
    page = operator.get(USERS)
    assert "Select alice" in page.response.text
    asked = select(operator, USERS, "disable", "alice-id", "bob-id")
    assert "Disable alice, bob?" in asked.text
    assert "alice, bob cannot sign in any more. Every session ends" in asked.text
    assert "issuer user update bob-id --disabled" in asked.text
    assert not done_to(deployment, "user.updated")
    done = operator.submit(asked, USERS)
    text = operator.follow(done).text
    assert "alice is disabled, and signed out everywhere. The same for bob." in text
    assert done_to(deployment, "user.updated") == ["alice-id", "bob-id"]
    assert text.count(" disabled ") >= 2


def test_tokens_of_clients_are_revoked(admin: Browser, deployment: Deployment):
    for name in ("a", "b", "c", "d", "e"):
        deployment.client(name)
    asked = select(admin, CLIENTS, "revoke-tokens", *"abcde")
    assert "Revoke all tokens of a, b, c and 2 more?" in asked.text
    for name in "abcde":
        assert f'<p class="name">{name}</p>' in asked.response.text
    text = admin.follow(admin.submit(asked, CLIENTS)).text
    assert "All tokens of a are revoked. The same for b, c, d and 1 more." in text
    assert done_to(deployment, "client.tokens_revoked") == [*"abcde"]


def test_users_are_added_to_a_group_as_on_its_page(signed_in: SignedIn, deployment: Deployment):
    deployment.role("reader", ["agents:read"])
    deployment.group("Platform", [], ["reader"], id="platform")
    operator = signed_in("issuer:groups:write", WRITE)
    assert ("do", "add-members") in operator.get(USERS).form(USERS).buttons
    asked = select(operator, USERS, "add-members", "alice-id", "bob-id", group="platform")
    assert "Add alice, bob to Platform?" in asked.text
    assert "agents:read" in asked.text
    done = operator.submit(asked, "/console/groups/platform")
    assert "Added to Platform: alice, bob." in operator.follow(done).text
    wrong = select(operator, USERS, "add-members", "alice-id", group="nowhere")
    assert (wrong.status, "There is no group 'nowhere'." in wrong.text) == (400, True)


@pytest.mark.parametrize("scope", [WRITE, "issuer:groups:write"])
def test_who_may_not_change_both_adds_nobody_to_a_group(
    signed_in: SignedIn, deployment: Deployment, scope: str
):
    deployment.group("Platform", [], [], id="platform")
    operator = signed_in(scope, "issuer:users:read", "issuer:groups:read")
    assert "Add to the group" not in operator.get(USERS).text
    form = {"do": "add-members", "select alice-id": "yes", "group": "platform"}
    assert forged(deployment, operator, USERS, **form).status == httpx.codes.FORBIDDEN


def test_none_and_too_many_are_refused(
    admin: Browser, deployment: Deployment, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(several, "MOST", 2)
    for keys in ((), ("alice-id", "bob-id", "carol-id")):
        page = select(admin, USERS, "disable", *keys, confirmed="yes")
        assert (page.status, "Select 1 to 2 users." in page.text) == (400, True)


def test_all_or_nothing_is_done_and_only_admins_change_who_has_rights_here(
    signed_in: SignedIn, deployment: Deployment
):
    signed_in("issuer:admin", username="root")
    with deployment.changing() as work:
        root = work.users.get_by_username("root").id
    operator = signed_in(WRITE)
    before = stored(deployment)
    for do in ("disable", "revoke-tokens"):
        asked = select(operator, USERS, do, "alice-id", root)
        assert operator.submit(asked, USERS).status == httpx.codes.FORBIDDEN
        assert stored(deployment) == before, do
    gone = select(operator, USERS, "disable", "alice-id", "nobody")
    assert gone.status == httpx.codes.NOT_FOUND
    assert stored(deployment) == before


def test_what_was_confirmed_is_what_is_done(admin: Browser, deployment: Deployment):
    """Somebody else's form, or one of before, does not count as the answer."""
    page = select(admin, USERS, "disable", "alice-id", confirmed="yes")
    assert "Disable alice?" in page.text
    asked = select(admin, USERS, "disable", "alice-id", "bob-id")
    sent = {**asked.form(USERS).fields, "selected": "carol-id"}
    assert "Disable carol?" in admin.post(USERS, sent).text
    assert not done_to(deployment, "user.updated")


def test_who_disables_themselves_is_told(admin: Browser, deployment: Deployment):
    with deployment.changing() as work:
        own = work.users.get_by_username("admin").id
    asked = select(admin, USERS, "disable", "alice-id", own)
    assert "This is you: you are signed out, too." in asked.text
