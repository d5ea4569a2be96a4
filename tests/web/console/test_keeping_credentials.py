"""The console asks which credentials stay that others gave to a client with new rights here."""

import pytest

from issuer.audit import Actor
from issuer.clients.client import SecretFields
from issuer.roles import Assignment
from tests.builders import PASSWORD, URL, Deployment, hashed
from tests.web.browsing import Browser
from tests.web.console.conftest import forged

HELPDESK = ["issuer:clients:write", "issuer:users:write"]


@pytest.fixture(autouse=True)
def prepared(deployment: Deployment) -> str:
    """The secret that the helpdesk added to the client ci; it knows the password of bob."""
    deployment.role("keepers", ["issuer:keys:read"])
    deployment.role("later", ["agents:run"])
    deployment.client("ci", roles=["later"])
    deployment.user("bob", id="bob", password=None, roles=["later"])
    administration = deployment.services.administration
    with administration.changing(Actor("helpdesk"), HELPDESK) as work:
        work.users.set_password("bob", hashed(PASSWORD, "owasp"))
        return work.clients.add_secret("ci", SecretFields(label="theirs"))[0].id


def is_assigned(deployment: Deployment) -> bool:
    with deployment.services.administration.reading() as work:
        return Assignment(role="keepers", audience=URL) in work.assignments.of("ci")


def test_an_assignment_asks_and_keeps_what_is_selected(
    admin: Browser, deployment: Deployment, prepared: str
):
    page, form = "/console/clients/ci", {"do": "assign-role", "role": "keepers", "audience": URL}
    asked = forged(deployment, admin, page, **form, confirmed="yes")
    assert asked.status == 409
    assert f"theirs of ci ({prepared}, given by helpdesk)" in asked.text
    assert not is_assigned(deployment)
    again = admin.submit(asked, page, **{f"keep {prepared}": ""})  # nothing was selected
    assert again.status == 409
    done = admin.submit(again, page, **{f"keep {prepared}": "yes"})
    assert "is assigned to ci" in admin.follow(done).text
    assert is_assigned(deployment)


def test_a_manifest_asks_as_well(admin: Browser, deployment: Deployment, prepared: str):
    page = "/console/configuration"
    source = "roles:\n- name: later\n  scopes: [issuer:keys:read]\n"
    plan = forged(deployment, admin, page, do="plan", source=source)
    fields = {**plan.form(page).fields, "do": "apply", "source": source, "prune": ""}
    asked = admin.post(page, {**fields, "allow_unknown_scopes": ""})
    assert asked.status == 409
    assert prepared in asked.text
    done = admin.submit(asked, page, **{f"keep {prepared}": "yes"})
    text = admin.follow(done).text
    assert "The manifest is applied" in text
    assert "bob has rights at the issuer now and cannot sign in" in text


def test_a_person_who_cannot_sign_in_any_more_is_named(admin: Browser, deployment: Deployment):
    form = {"do": "assign-role", "role": "keepers", "audience": URL, "confirmed": "yes"}
    done = forged(deployment, admin, "/console/users/bob", **form)
    text = admin.follow(done).text
    assert "is assigned to bob" in text
    assert "bob has rights at the issuer now and cannot sign in" in text


def test_a_group_that_gets_rights_asks_which_members_stay(admin: Browser, deployment: Deployment):
    group = deployment.group("Platform", id="platform")
    administration = deployment.services.administration
    with administration.changing(Actor("helpdesk"), ["issuer:groups:write"]) as work:
        work.groups.add_members(group, ["bob"])
    page = f"/console/groups/{group}"
    form = {"do": "assign-role", "role": "keepers", "audience": URL}
    asked = forged(deployment, admin, page, **form, confirmed="yes")
    assert asked.status == 409
    assert "Keep these members?" in asked.text
    assert "somebody without issuer:admin added these users to the group." in asked.text
    assert "gave these" not in asked.text
    assert "bob in the group Platform (bob, added by helpdesk)" in asked.text
    again = admin.submit(asked, page, **{"keep member bob": ""})  # nobody was selected
    assert again.status == 409
    done = admin.submit(again, page, **{"keep member bob": "yes"})
    assert "is assigned to" in admin.follow(done).text
