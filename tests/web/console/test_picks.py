"""Boxes beside fields that can also be typed: what was changed at either of the two counts."""

import re

import httpx
from hypothesis import given
from hypothesis import strategies as st

from issuer.scopes import ISSUER_SCOPES
from issuer.web.console.screens.picks import MOST, boxes_of, with_picks
from tests.builders import Deployment
from tests.inspection.inspected import inspected
from tests.web.browsing import Browser
from tests.web.console.conftest import SignedIn, forged, send
from tests.web.console.test_role import PATH, scopes_of

values = st.sampled_from([f"agents:{name}:run" for name in "abcdefg"])
some = st.sets(values)


def sent(typed: str, shown: set[str], ticked: set[str]) -> list[str]:
    form = {"scopes": typed, "name": "x", "picked scopes": " ".join(sorted(shown))}
    form |= {f"pick scopes {each}": "yes" for each in ticked}
    read = with_picks({name: value for name, value in form.items() if value})
    assert read.keys() <= {"scopes", "name"}
    return read.get("scopes", "").split()


@given(some, some)
def test_ticking_and_unticking_changes_what_is_shown_and_nothing_else(
    typed: set[str], ticked: set[str]
):
    """The boxes show some of what is typed."""
    shown = typed & {"agents:a:run", "agents:b:run", "agents:c:run"}
    read = sent("\n".join(sorted(typed)), shown, ticked)
    assert set(read) == (typed - shown) | ticked
    assert len(read) == len(set(read))


@given(some, some)
def test_typing_counts_where_the_boxes_were_left_alone(before: set[str], typed: set[str]):
    assert set(sent("\n".join(sorted(typed)), before, before)) == typed


def test_a_form_without_boxes_stays_as_it_is():
    form = {"scopes": "a:b  c:d", "pick": "x", "picks of it": "y", "keep 1": "yes"}
    assert with_picks(form) == form


def test_boxes_are_for_known_values_and_for_those_typed():
    boxes = boxes_of("audiences", ["a", "c"], "c z")
    found = [(each.value, each.is_ticked) for each in boxes.boxes]
    assert found == [("a", False), ("c", True), ("z", True)]
    assert boxes.ticked == "c z"


def test_what_is_typed_to_find_one_is_chosen_and_looked_up():
    read = with_picks({"find users": " Ada Byrne ", "users": "bob\nTwo Words"})
    assert read == {"find users": " Ada Byrne ", "users": "bob\nTwo Words\nAda Byrne"}
    assert with_picks({"find roles": "", "roles": "a"})["roles"] == "a"


def test_of_many_roles_those_like_the_typed_text_are_offered(
    deployment: Deployment, admin: Browser
):
    """Nothing is an alphabet's first forty; without scripts the form comes back with matches."""
    for number in range(MOST + 1):
        deployment.role(f"a-role-{number}", ["agents:read"])
    deployment.role("support-lead", ["agents:read"])
    page = admin.get("/console/users", new="yes")
    assert "a-role-1" not in page.response.text
    assert 'data-suggest="/console/roles"' in page.response.text
    assert page.form("/console/users").fields["find roles"] == ""
    chosen = {"username": "sam", "audience": "my-os", "find roles": "lead"}
    wrong = admin.submit(page, "/console/users", **chosen)
    assert wrong.status == httpx.codes.BAD_REQUEST
    assert "There is no role 'lead'." in wrong.text
    form = wrong.form("/console/users").fields
    box = "pick roles support-lead"
    assert f'name="{box}" value="yes">' in wrong.response.text
    assert "pick roles lead" not in form
    assert not re.search(r"<textarea[^>]*>lead", wrong.response.text)
    done = admin.post("/console/users", {**form, box: "yes", "audience": "my-os"})
    assert done.status in {httpx.codes.OK, httpx.codes.SEE_OTHER}
    with deployment.services.administration.reading() as work:
        sam = work.users.get_by_username("sam").id
        assert [each.role for each in work.assignments.of(sam)] == ["support-lead"]


def test_of_many_users_those_like_the_typed_text_join_a_group(
    deployment: Deployment, admin: Browser
):
    group = deployment.group("Platform", [], [], id="platform")
    deployment.user("ada.byrne", id="ada-id", name="Ada Byrne", password=None)
    path = f"/console/groups/{group}"
    wrong = send(admin, path, do="add-members", **{"find users": "byrne"})
    assert wrong.status == httpx.codes.BAD_REQUEST
    assert 'name="pick users ada.byrne" value="yes">' in wrong.response.text
    asked = send(admin, path, do="add-members", **{"pick users ada.byrne": "yes"})
    assert "Add ada.byrne to Platform?" in asked.text


def test_the_only_agent_os_is_chosen_already(deployment: Deployment, admin: Browser):
    page = admin.get("/console/users", new="yes")
    assert "<option selected>my-os</option>" in page.response.text
    clients = admin.get("/console/clients", new="service")
    assert clients.form("/console/clients").fields["pick audiences my-os"] == "yes"
    assert "<option selected>my-os</option>" in admin.get("/console/explain").response.text
    deployment.audience("other-os")
    assert "<option selected>" not in admin.get("/console/users", new="yes").response.text


def test_names_are_suggested_to_those_who_may_read_them(
    deployment: Deployment, admin: Browser, signed_in: SignedIn
):
    deployment.user("ada.byrne", id="ada-id", name="Ada Byrne", password=None)
    for text in ("ada", "ADA", "byrne", "ada-id"):
        found = admin.get("/console/users", suggest=text).response.json()
        assert found == [["ada.byrne", "Ada Byrne"]], text
    assert admin.get("/console/clients", suggest="x" * 3_000).response.json() == []
    operator = signed_in("issuer:roles:read")
    refused = operator.get("/console/users", suggest="ada")
    assert (refused.status, "byrne" in refused.text) == (httpx.codes.FORBIDDEN, False)


def test_an_agent_is_chosen_by_name(deployment: Deployment, admin: Browser):
    deployment.role("runner", ["sessions:read"])
    inspected(deployment, agents={"web": "Web search"}, teams={"desk": "Help desk"})
    page = admin.get(PATH, edit="yes")
    assert "Web search web run Web search read Web search" in page.text
    assert "Help desk desk" in page.text
    typed = {"pick scopes agents:web:run": "yes", "scopes": "sessions:read"}
    review = admin.submit(page, PATH, do="review", **typed)
    assert "Adds agents:web:run Removes –" in review.text
    admin.submit(review, PATH, do="apply")
    assert scopes_of(deployment) == ["sessions:read", "agents:web:run"]


def test_a_scope_is_unticked_and_another_one_stays(deployment: Deployment, admin: Browser):
    deployment.role("runner", ["agents:*:run", "agents:web:read", "orders:ship"])
    page = admin.get(PATH, edit="yes")
    form = page.form(PATH).fields
    assert form["picked scopes"].split() == ["agents:*:run", "agents:web:read"]
    del form["pick scopes agents:*:run"]
    typed = "agents:*:run\nagents:web:read\norders:ship"
    review = admin.post(PATH, {**form, "scopes": typed, "do": "review"})
    admin.submit(review, PATH, do="apply")
    assert scopes_of(deployment) == ["agents:web:read", "orders:ship"]


def test_a_scope_that_another_page_suggests_is_ticked(deployment: Deployment, admin: Browser):
    deployment.role("runner", ["sessions:read"])
    for added, rest in (("agents:web:run", ""), ("orders:ship", "orders:ship")):
        page = admin.get(PATH, edit="yes", add=added)
        form = page.form(PATH).fields
        assert form["picked scopes"] == "sessions:read"
        assert form.get("add", "") == rest
        assert (f"pick scopes {added}" in form) is not bool(rest)
        review = admin.submit(page, PATH, do="review", scopes="sessions:read")
        assert f"Adds {added} Removes –" in review.text


def test_what_an_inspection_did_not_find_is_marked(deployment: Deployment, admin: Browser):
    deployment.role("runner", ["agents:gone:run"])
    assert "not found" not in admin.get(PATH, edit="yes").text
    inspected(deployment, agents={"web": "Web"})
    assert "gone not found" in admin.get(PATH, edit="yes").text
    assert "not found" in admin.get(PATH).text
    assert "runner names what is gone" in admin.get("/console/roles").text


def test_agents_are_named_to_those_who_may_see_audiences(
    deployment: Deployment, signed_in: SignedIn
):
    deployment.role("runner", ["agents:gone:run"])
    inspected(deployment, agents={"secret-agent": "Secret"})
    browser = signed_in("issuer:roles:write")
    for page in (browser.get(PATH, edit="yes"), browser.get(PATH), browser.get("/console/roles")):
        assert "Secret" not in page.text
        assert "secret-agent" not in page.text
        assert "not found" not in page.text


def test_an_id_that_no_scope_can_name_is_not_offered(deployment: Deployment, admin: Browser):
    deployment.role("runner", [])
    inspected(deployment, agents={"a:b": "Colon", "a b": "Space", "*": "Star", "ok": "Fine"})
    text = admin.get(PATH, edit="yes").text
    assert "Fine" in text
    for name in ("Colon", "Space", "Star"):
        assert name not in text


def test_rights_at_the_issuer_are_offered_to_admins_only(
    deployment: Deployment, admin: Browser, signed_in: SignedIn
):
    deployment.role("runner", [])
    assert "pick scopes issuer:admin" in admin.get(PATH, edit="yes").response.text
    other = signed_in("issuer:roles:write")
    assert "pick scopes issuer:" not in other.get(PATH, edit="yes").response.text
    ticked = {"pick scopes issuer:admin": "yes", "do": "review", "version": "1"}
    assert forged(deployment, other, PATH, **ticked).status == httpx.codes.FORBIDDEN


def test_each_right_at_the_issuer_has_a_box(deployment: Deployment, admin: Browser):
    deployment.role("runner", [])
    page = admin.get(PATH, edit="yes")
    for scope in ISSUER_SCOPES:
        assert f'name="pick scopes {scope}"' in page.response.text
    assert "Report which scopes are used" in page.text


def test_many_boxes_can_be_ticked_at_once(deployment: Deployment, admin: Browser):
    deployment.role("runner", [])
    boxes = {f"pick scopes agents:a{number}:run": "yes" for number in range(300)}
    form = {**admin.get(PATH, edit="yes").form(PATH).fields, **boxes, "do": "apply"}
    admin.post(PATH, form)
    assert len(scopes_of(deployment)) == 300
    typed = "\n".join(scopes_of(deployment))
    form = admin.get(PATH, edit="yes").form(PATH).fields
    shown = form["picked scopes"].split()
    assert 0 < len(shown) < 300
    del form[f"pick scopes {shown[0]}"]
    admin.post(PATH, {**form, "scopes": typed, "do": "apply"})
    assert {*typed.split()} - {*scopes_of(deployment)} == {shown[0]}


def test_roles_and_audiences_of_a_new_client_are_ticked(deployment: Deployment, admin: Browser):
    deployment.role("runner", ["agents:run"])
    deployment.audience("other-os")
    path = "/console/clients"
    ticked = {f"pick audiences {each}": "yes" for each in ("my-os", "other-os")}
    page = admin.get(path, new="service")
    admin.submit(page, path, client_id="ci-bot", **ticked, **{"pick roles runner": "yes"})
    with deployment.changing() as work:
        assert sorted(work.clients.get("ci-bot").audiences) == ["my-os", "other-os"]
        assert [each.audience for each in work.assignments.of("ci-bot")] == ["my-os", "other-os"]
