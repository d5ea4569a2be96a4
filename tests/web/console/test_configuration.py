"""`/console/configuration`: export, plan, and apply exactly the plan that was shown."""

import httpx
import pytest

from issuer.audit import Actor
from issuer.errors import NotFound
from issuer.provisioning.planning import (
    MAX_BYTES,
    MIN_BYTES_OF_OWN_PROCESS,
    PlanRequest,
    make_plan,
)
from tests.builders import Deployment
from tests.web.browsing import Browser, PageSeen
from tests.web.console.conftest import SignedIn, forged

PATH = "/console/configuration"
SECTIONS = ("audiences", "trusted-issuers", "roles", "clients", "users", "groups")
READS = [f"issuer:{name}:read" for name in SECTIONS]
ROLE = "roles:\n- name: reader\n  scopes: [agents:read]\n"
CLIENT = """\
clients:
- client_id: ci-bot
  audiences: [my-os]
  roles: [{role: reader, audience: my-os}]
"""


def plan(browser: Browser, source: str, **more: str) -> PageSeen:
    return browser.submit(browser.get(PATH), PATH, do="plan", source=source, **more)


def has_role(deployment: Deployment, name: str) -> bool:
    with deployment.services.administration.reading() as work:
        try:
            work.roles.get(name)
        except NotFound:
            return False
    return True


def test_the_configuration_is_downloaded_as_a_manifest_without_changes(
    deployment: Deployment, admin: Browser
):
    deployment.role("reader", ["agents:read"])
    answer = admin.get(f"{PATH}/export").response
    assert answer.headers["content-disposition"] == 'attachment; filename="issuer.yaml"'
    assert "name: reader" in answer.text
    assert "as the manifest says" in plan(admin, answer.text).text


def test_the_configuration_is_shown_as_it_is_now(deployment: Deployment, admin: Browser):
    deployment.role("reader", ["agents:read"])
    text = admin.get(PATH).text
    assert "As it is now" in text
    assert "- name: reader" in text
    assert "As it is now" not in plan(admin, ROLE).text


def test_a_configuration_that_no_page_can_show_is_only_downloaded(
    deployment: Deployment, admin: Browser
):
    for number in range(101):
        deployment.role(f"role-{number}", [])
    text = admin.get(PATH).text
    assert "It is too large to be shown here" in text
    assert "role-100" not in text


def test_of_a_long_manifest_the_beginning_is_shown(deployment: Deployment, admin: Browser):
    for number in range(50):
        deployment.role(f"role-{number:02}", [f"agents:{'a' * 60}{i}:run" for i in range(50)])
    text = admin.get(PATH).text
    assert "The beginning: the file has more." in text
    assert "role-00" in text
    assert "role-49" not in text


@pytest.mark.parametrize("missing", READS)
def test_it_needs_the_right_to_read_all_sections(
    deployment: Deployment, signed_in: SignedIn, missing: str
):
    browser = signed_in(*(scope for scope in READS if scope != missing))
    assert browser.get(PATH).status == httpx.codes.FORBIDDEN
    assert browser.get(f"{PATH}/export").status == httpx.codes.FORBIDDEN
    refused = forged(deployment, browser, PATH, do="plan", source=ROLE)
    assert refused.status == httpx.codes.FORBIDDEN


def test_who_may_only_read_plans_and_cannot_apply(deployment: Deployment, signed_in: SignedIn):
    browser = signed_in(*READS)
    page = plan(browser, ROLE)
    assert "1 change planned" in page.text
    assert "Apply this plan" not in page.text
    request = PlanRequest(Actor(), frozenset(READS), ROLE.encode(), prune=False)
    etag = make_plan(deployment.services.administration, request).etag
    refused = forged(deployment, browser, PATH, do="apply", source=ROLE, etag=etag)
    assert refused.status == httpx.codes.FORBIDDEN
    assert not has_role(deployment, "reader")


def test_the_plan_that_was_shown_is_applied(deployment: Deployment, admin: Browser):
    page = plan(admin, ROLE)
    assert "+ create role reader" in page.text
    assert not has_role(deployment, "reader")
    done = admin.submit(page, PATH, do="apply", source=ROLE)
    shown = admin.get(done.location)
    assert "The manifest is applied: 1 change." in shown.text
    assert "issuer apply -f issuer.yaml" in shown.text
    assert has_role(deployment, "reader")


def test_a_plan_says_who_gains_what_and_new_secrets_are_shown_once(
    deployment: Deployment, admin: Browser
):
    page = plan(admin, ROLE + CLIENT)
    assert "client ci-bot my-os agents:read –" in page.text
    done = admin.submit(page, PATH, do="apply", source=ROLE + CLIENT)
    assert done.status == httpx.codes.OK
    assert "ci-bot ais_" in done.text
    assert done.response.headers["cache-control"] == "no-store"
    assert "ais_" not in admin.get(PATH).text


def test_a_plan_that_is_outdated_is_shown_again_and_not_applied(
    deployment: Deployment, admin: Browser
):
    page = plan(admin, ROLE)
    deployment.role("another", [])
    again = admin.submit(page, PATH, do="apply", source=ROLE)
    assert again.status == httpx.codes.CONFLICT
    assert "This is the plan now." in again.text
    assert not has_role(deployment, "reader")
    other_text = ROLE.replace("reader", "writer")
    assert admin.submit(again, PATH, do="apply", source=other_text).status == httpx.codes.CONFLICT
    assert not has_role(deployment, "writer")
    assert admin.submit(again, PATH, do="apply", source=ROLE).status == httpx.codes.SEE_OTHER
    assert has_role(deployment, "reader")


@pytest.mark.parametrize("comment", ["", "# " + "x" * MIN_BYTES_OF_OWN_PROCESS + "\n"])
def test_problems_stand_at_the_field_and_the_text_is_kept(admin: Browser, comment: str):
    page = plan(admin, f"{comment}roles:\n- name: <b>\n")
    assert page.status == httpx.codes.BAD_REQUEST
    assert f"Line {3 if comment else 2}: roles[0].name" in page.text
    assert "- name: &lt;b&gt;" in page.response.text


def test_what_the_issuer_refuses_is_said(deployment: Deployment, admin: Browser):
    page = plan(admin, "users: []\nclients: []\n", prune="yes")
    assert page.status == httpx.codes.CONFLICT
    assert "would remove the last holder of issuer:admin" in page.text
    assert 'value="yes" selected' in page.response.text


@pytest.mark.slow
def test_a_large_manifest_is_taken_from_people_who_are_signed_in(
    admin: Browser, deployment: Deployment
):
    large = ROLE + "#" * (MAX_BYTES - len(ROLE))
    assert "1 change planned" in plan(admin, large).text
    assert "is larger than" in plan(admin, large + "#").text
    token = admin.get(PATH).form(PATH).fields
    unknown = Browser(deployment.http)
    unknown.cookies["__Host-browser"] = admin.cookies["__Host-browser"]
    refused = unknown.post(PATH, {**token, "do": "plan", "source": large})
    assert refused.status == httpx.codes.REQUEST_ENTITY_TOO_LARGE


def test_a_manifest_with_a_misspelled_scope_needs_a_tick(deployment: Deployment, admin: Browser):
    odd = "roles: [{name: reader, scopes: [agent:read]}]"
    refused = plan(admin, odd)
    assert refused.status == httpx.codes.BAD_REQUEST
    assert "Line 1: roles[0].scopes[0]: No known AgentOS version has agent:read" in refused.text
    planned = admin.submit(refused, PATH, do="plan", source=odd, allow_unknown_scopes="yes")
    admin.submit(planned, PATH, do="apply", source=odd)
    assert has_role(deployment, "reader")
