"""`/console/users`: the list, and new users."""

import csv
import io
import json
import re
from datetime import timedelta
from html import unescape
from urllib.parse import parse_qsl

import httpx
import pytest

from issuer.audit import Actor
from issuer.database import store
from issuer.scopes import ISSUER_ADMIN
from issuer.sign_in import InvitationFields
from issuer.web.console.screens import collection, views
from tests.builders import URL, Deployment
from tests.oauth.refreshing import events
from tests.rows import rows
from tests.sign_in.people import People
from tests.web.browsing import Browser, PageSeen
from tests.web.console.conftest import SignedIn, forged, person

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
    assert "alice Alice alice@example.com none password, authenticator app never" in text
    assert "bob disabled none password never" in text
    assert "carol none nothing yet never" in text
    assert "dave invited none nothing yet never" in text


def test_the_list_and_its_file_say_who_is_locked(admin: Browser, deployment: Deployment):
    alice = deployment.user("alice", id="a")
    deployment.user("bob", id="b")
    guard, elsewhere = deployment.services.sign_in.guard, Actor(address="203.0.113.9")
    for attempt in [guard.begin(alice, "alice", elsewhere.address) for _ in range(10)]:
        guard.end(attempt, elsewhere, succeeded=False)
    text = admin.get(LIST).text
    assert "alice locked none password" in text
    assert "bob none password" in text
    lines = admin.get(LIST, export="jsonl", search="alice").response.text.splitlines()
    assert [json.loads(line)["states"] for line in lines] == [["active", "locked"]]
    deployment.wait(timedelta(minutes=15))
    assert "locked" not in admin.get(LIST).text


def test_the_list_says_which_roles_people_hold_and_when_they_signed_in(
    admin: Browser, deployment: Deployment
):
    deployment.role("reader", [])
    deployment.role("writer", [])
    deployment.user("alice", ["writer"], id="a")
    deployment.user("bob", id="b")
    deployment.group("Readers", ["a", "b"], ["reader"], id="readers")
    browser = Browser(deployment.http)
    browser.sign_in("alice")
    deployment.wait(timedelta(minutes=5))
    text = admin.get(LIST).text
    assert "alice reader, writer password 5 minutes ago" in text
    assert "bob reader password never" in text
    deployment.wait(timedelta(days=100))
    assert "bob reader password not lately" in signed_in_again(deployment, "admin").get(LIST).text


def test_the_list_is_sorted_by_the_last_sign_in(
    admin: Browser, deployment: Deployment, people: People, monkeypatch: pytest.MonkeyPatch
):
    """Of those of whom none is known, and of equal ones, by user name."""
    passkey = people.passkey_of(deployment.user("alice", id="a"))
    for name in ("bob", "carol", "dave"):
        deployment.user(name, id=name[0])
    deployment.wait(timedelta(minutes=5))
    signed_in_again(deployment, "dave")
    deployment.wait(timedelta(minutes=5))
    people.sign_in(passkey)
    oldest_first = ["bob", "carol", "admin", "dave", "alice"]
    for size in (1, 2, 50):
        monkeypatch.setattr(views, "PAGE", size)
        for order, expected in (("asc", oldest_first), ("desc", oldest_first[::-1])):
            assert paged(admin, sort="last_sign_in_at", order=order) == expected
    assert "sort=last_sign_in_at" in admin.get(LIST).response.text


def paged(browser: Browser, **query: str) -> list[str]:
    """The user names on all pages of a list."""
    found, page = [], browser.get(LIST, **query)
    while True:
        html = page.response.text
        found += re.findall(r'<th scope="row"><a href="[^"]*">([^<]*)</a>', html)
        if not (following := re.findall(r'href="([^"]*)" rel="next"', html)):
            return found
        page = browser.get(unescape(following[0]))


def signed_in_again(deployment: Deployment, username: str) -> Browser:
    browser = Browser(deployment.http)
    browser.sign_in(username)
    return browser


@rows("search", ["AL", "lic", "USR-1", "r-1", "liddell", "wonder.EXAMPLE"])
def test_a_user_is_found_by_any_part_of_user_name_id_name_or_email(
    shared: Deployment, shared_admin: Browser, search: str
):
    text = shared_admin.get(LIST, search=search).text
    assert "alice" in text
    assert "bob" not in text
    assert "1 found" in text


@rows("search", ["%", "_", "/", "\\", "a%e"])
def test_a_search_has_no_wildcards(shared_admin: Browser, search: str):
    assert f"No user has “{search}” in" in shared_admin.get(LIST, search=search).text


@rows(
    ("query", "names"),
    {
        "by user name": ({}, ["admin", "alice", "bob", "carol"]),
        "the other way round": ({"order": "desc"}, ["carol", "bob", "alice", "admin"]),
        "by name": ({"sort": "name"}, ["admin", "carol", "alice", "bob"]),
        "by email, then user name": ({"sort": "email"}, ["admin", "bob", "alice", "carol"]),
        "by what there is not": ({"sort": "password"}, ["admin", "alice", "bob", "carol"]),
        "of a search": ({"search": "a", "sort": "email"}, ["admin", "alice", "carol"]),
    },
)
def test_the_list_is_sorted(shared_admin: Browser, query: dict[str, str], names: list[str]):
    html = shared_admin.get(LIST, **query).response.text
    found = re.findall(r'<th scope="row"><a href="[^"]*">([^<]*)</a>', html)
    assert found == names


def test_the_heads_of_columns_sort_the_list_and_turn_the_order(shared_admin: Browser):
    html = shared_admin.get(LIST, search="a").response.text
    assert '<a href="?search=a&amp;sort=email">Email</a>' in html
    assert 'aria-sort="ascending"><a href="?search=a&amp;sort=username&amp;order=desc">' in html
    turned = shared_admin.get(LIST, sort="username", order="desc").response.text
    assert 'aria-sort="descending"><a href="?sort=username">' in turned


def test_the_pages_of_a_sorted_search_have_each_user_once(
    shared_admin: Browser, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(views, "PAGE", 1)
    for query in (
        {"search": "a"},
        {"search": "a", "sort": "email"},
        {"search": "a", "sort": "email", "order": "desc"},
        {"search": "a", "order": "desc"},
    ):
        assert sorted(paged(shared_admin, **query)) == ["admin", "alice", "carol"], query


def test_a_search_of_very_many_looks_at_some_at_a_time(
    shared_admin: Browser, monkeypatch: pytest.MonkeyPatch
):
    """What begins with the text is found at once."""
    monkeypatch.setattr(store, "LOOKED_AT", 2)
    page = shared_admin.get(LIST, search="ar")
    assert "No user has “ar” in user name, id, name or email among those." in page.text
    assert "A search looks at 2 users at a time; the next page looks further." in page.text
    (following,) = re.findall(r'href="([^"]*)" rel="next"', page.response.text)
    assert "carol" in shared_admin.get(unescape(following)).text
    assert "carol" in shared_admin.get(LIST, search="car").text


def test_very_many_are_sorted_by_user_name_alone(
    shared_admin: Browser, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(store, "MOST_SORTED", 3)
    html = shared_admin.get(LIST, sort="email").response.text
    assert html.index("alice") < html.index("bob")
    assert "sort=email" not in html
    assert "sort=username" in html


def test_the_list_is_a_file_as_it_is_sorted_and_searched(
    shared_admin: Browser, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(collection, "_AT_ONCE", 1)
    answer = shared_admin.get(LIST, export="csv", search="a", order="desc").response
    assert answer.headers["content-disposition"] == 'attachment; filename="users.csv"'
    rows_ = list(csv.DictReader(io.StringIO(answer.text)))
    assert [each["username"] for each in rows_] == ["carol", "alice", "admin"]
    assert rows_[0]["name"] == "'=cmd()"
    assert (rows_[2]["roles"], rows_[2]["states"]) == ("admin-role", "cannot sign in")
    lines = shared_admin.get(LIST, export="jsonl", search="alice").response.text.splitlines()
    assert [json.loads(line)["email"] for line in lines] == ["a@wonder.example"]
    monkeypatch.setattr(collection, "MOST_EXPORTED", 2)
    assert len(shared_admin.get(LIST, export="jsonl").response.text.splitlines()) == 2


@pytest.fixture(scope="module")
def shared_admin(shared: Deployment) -> Browser:
    shared.user("alice", id="usr-1", name="Liddell", email="a@wonder.example")
    shared.user("bob", id="other", name="Zed")
    shared.user("carol", id="c", name="=cmd()", email="z@example.com")
    return person(shared, "admin", [ISSUER_ADMIN], id="admin")


def test_a_long_list_has_pages(admin: Browser, deployment: Deployment):
    for number in range(51):
        deployment.user(f"user-{number:02}", password=None, id=f"a-{number:02}")
    page = admin.get(LIST)
    assert "user-48" in page.text
    assert "user-49" not in page.text
    assert "user-49" in admin.get(LIST, after="a-48").text


def test_an_empty_search_says_so(admin: Browser):
    assert (
        "No user has “zzz” in user name, id, name or email." in admin.get(LIST, search="zzz").text
    )


def links(page: PageSeen, label: str) -> str:
    """The query of the link with this label."""
    (query,) = re.findall(rf'href="\?([^"]*)">{label}</a>', page.response.text)
    return unescape(query)


def listed(browser: Browser, only: str, **query: str) -> list[str]:
    html = browser.get(LIST, only=only, **query).response.text
    return re.findall(r'<th scope="row"><a href="[^"]*">([^<]*)</a>', html)


def test_filters_are_links_to_users_of_one_state(signed_in: SignedIn, deployment: Deployment):
    operator = signed_in(READ)
    guard = deployment.services.sign_in.guard
    deployment.user("dora", id="dora-id", disabled=True)
    deployment.user("ivo", id="ivo-id", password=None)
    mallory = deployment.user("mallory")
    with deployment.changing() as work:
        work.invitations.create("ivo-id", InvitationFields())
    People(deployment, deployment.clock).app_of(mallory)
    for attempt in [guard.begin(mallory, "mallory", "203.0.113.9") for _ in range(10)]:
        guard.end(attempt, Actor(address="203.0.113.9"), succeeded=False)
    page = operator.get(LIST)
    for label, expected in (
        ("Disabled", ["dora"]),
        ("Invited", ["ivo"]),
        ("Locked", ["mallory"]),
        ("No second factor", ["dora", "ivo", "operator"]),
        ("No known sign-in", ["dora", "ivo", "mallory"]),
    ):
        query = dict(parse_qsl(links(page, label)))
        assert listed(operator, **query) == expected, label
    assert listed(operator, "no second factor", search="ivo") == ["ivo"]
    assert "<strong>Locked</strong>" in operator.get(LIST, only="locked").response.text
    exported = operator.get(LIST, export="jsonl", only="disabled").response.text
    assert [json.loads(line)["username"] for line in exported.splitlines()] == ["dora"]
    deployment.wait(timedelta(minutes=15))
    assert listed(operator, "locked") == []
    assert "No user is listed under “Locked”." in operator.get(LIST, only="locked").text
    assert len(listed(operator, "unheard of")) == 4


def test_a_filter_of_very_many_looks_at_some_at_a_time(
    signed_in: SignedIn, deployment: Deployment, monkeypatch: pytest.MonkeyPatch
):
    """Users of whom an index knows are found at once."""
    monkeypatch.setattr(store, "FILTERED", 1)
    operator = signed_in(READ)
    deployment.user("zoe", id="zoe-id", disabled=True)
    deployment.user("zora", id="zora-id", password=None)
    with deployment.changing() as work:
        work.invitations.create("zora-id", InvitationFields())
    page = operator.get(LIST, only="disabled")
    assert "This list looks at 1 users at a time" in page.text
    (following,) = re.findall(r'href="([^"]*)" rel="next"', page.response.text)
    assert "only=disabled" in following
    assert "zoe" in operator.get(unescape(following)).text
    assert listed(operator, "invited") == ["zora"]


@pytest.mark.parametrize("text", ["lopez", "LÓPEZ", "López", "o\u0301pez", "pez Núñ", "straße"])
def test_a_search_takes_letters_with_and_without_accents_for_the_same(
    signed_in: SignedIn, deployment: Deployment, text: str
):
    operator = signed_in(READ)
    deployment.user("jl", id="jl-id", name="José LÓPEZ Núñez", password=None)
    deployment.user("os", id="os-id", name="Øystein Straße", password=None)
    found = re.findall(r"/console/users/(\w+)-id", operator.get(LIST, search=text).response.text)
    assert found == (["os"] if "ß" in text else ["jl"])
    assert "/jl-id" not in operator.get(LIST, search="lopes").response.text


def test_what_patterns_mean_is_searched_as_it_is(signed_in: SignedIn, deployment: Deployment):
    operator = signed_in(READ)
    for number, sign in enumerate("*?[]^-\\.|(){}+$%_#&~/ "):
        deployment.user(f"u{number}", id=f"u{number}-id", name=f"a{sign}b", password=None)
        html = operator.get(LIST, search=f"a{sign}b").response.text
        assert re.findall(r"/console/users/(\w+)-id", html) == [f"u{number}"], sign
    long = operator.get(LIST, search="o" * 300)
    assert long.status == httpx.codes.OK
