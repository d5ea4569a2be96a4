"""Trusted issuers where people sign in, and the accounts of users there, in the console."""

import json

import httpx
import pytest

from tests.builders import Deployment
from tests.oauth.refreshing import events
from tests.people_of_others import Company, company
from tests.web.browsing import Browser, PageSeen
from tests.web.console.conftest import SignedIn, send

LIST = "/console/trusted-issuers"
PAGE = f"{LIST}/company"
SECRET = "a-secret-of-the-company"


@pytest.fixture
def here(deployment: Deployment) -> Company:
    deployment.role("runner", ["agents:run"])
    roles = [{"group": "engineers", "role": "runner", "audience": "my-os"}]
    return company(deployment, roles=roles)


def fill(admin: Browser, page: PageSeen, action: str, **typed: str) -> PageSeen:
    """Send the form with these texts of several lines, and what else it has."""
    return admin.submit(page, action, **{"scopes": "openid", **typed})


def test_google_needs_the_client_and_the_domain(admin: Browser, deployment: Deployment):
    page = admin.get(LIST, new="people-google")
    assert "This issuer as its client" in page.text
    typed = {
        "client_id": "ours",
        "client_secret": SECRET,
        "required_claims": '{"hd": "acme.example"}',
    }
    done = admin.follow(fill(admin, page, LIST, **typed))
    assert "The trusted issuer google is created." in done.text
    assert f"{deployment.services.settings.url}/sign-in/callback/google" in done.text
    assert "stored, and never shown" in done.text
    assert SECRET not in done.response.text
    assert "--kind people --sign-in-client-id ours" in done.text
    with deployment.services.administration.reading() as work:
        made = work.trusted_issuers.get("google")
    assert made.kinds == ["people"]
    assert made.sign_in is not None
    assert made.sign_in.required_claims == {"hd": "acme.example"}


def test_a_form_for_workloads_has_nothing_of_people(admin: Browser):
    fields = admin.get(LIST, new="github").form(LIST).fields
    assert "client_id" not in fields
    assert fields["purpose"] == "workload"


def test_what_is_wrong_stands_at_its_field_and_the_secret_is_lost(admin: Browser):
    page = admin.get(LIST, new="people")
    typed = {"id": "sso", "issuer": "https://sso.example", "client_secret": SECRET}
    wrong = fill(admin, page, LIST, **typed, client_id="é", roles="engineers")
    assert wrong.status == httpx.codes.BAD_REQUEST
    assert "Line 1: must be GROUP=ROLE@AUDIENCE" in wrong.text
    again = fill(admin, page, LIST, **typed, client_id="é", required_claims="{")
    assert "is not JSON" in again.text
    last = fill(admin, page, LIST, **typed, client_id="é")
    assert "ASCII characters" in last.text
    assert SECRET not in wrong.response.text + again.response.text + last.response.text


def test_the_role_of_one_more_group_is_chosen(
    admin: Browser, here: Company, deployment: Deployment
):
    form = admin.get(PAGE, edit="yes")
    assert 'name="audience" aria-describedby="audience-hint"' in form.response.text
    typed = {
        "do": "save",
        "purpose": "people",
        "source": "jwks",
        "jwks": json.dumps(here.other.jwks),
        "roles": "engineers=runner@my-os",
    }
    asked = {"group": "all", "role": "runner"}
    for part in (asked, {"audience": "*"}):
        wrong = fill(admin, form, PAGE, **typed, **part)
        assert "Line 2: must be GROUP=ROLE@AUDIENCE" in wrong.text
    done = admin.follow(fill(admin, form, PAGE, **typed, **asked, audience="*"))
    assert "The trusted issuer company is changed." in done.text
    with deployment.services.administration.reading() as work:
        stored = work.trusted_issuers.get("company").sign_in
    assert [(each.group, each.audience) for each in stored.roles] == [
        ("all", None),
        ("engineers", "my-os"),
    ]


def test_a_change_keeps_the_secret_unless_another_is_typed(
    admin: Browser, here: Company, deployment: Deployment
):
    here.change(sign_in={"client_secret": SECRET})
    before = here.record.sign_in
    form = admin.get(PAGE, edit="yes")
    assert "engineers=runner@my-os" in form.text
    typed = {
        "do": "save",
        "purpose": "people",
        "source": "jwks",
        "jwks": json.dumps(here.other.jwks),
        "roles": "engineers=runner@my-os\nall=runner@*",
    }
    done = admin.follow(fill(admin, form, PAGE, **typed))
    assert "The trusted issuer company is changed." in done.text
    assert "--map-group engineers=runner@my-os --map-group" in done.text
    after = here.record.sign_in
    assert before is not None
    assert after is not None
    assert after.sealed_secret == before.sealed_secret
    with deployment.services.administration.reading() as work:
        stored = work.trusted_issuers.get("company").sign_in
    assert [each.group for each in stored.roles] == ["all", "engineers"]


def test_its_page_shows_who_signs_in_there(
    signed_in: SignedIn, here: Company, deployment: Deployment
):
    here.link(deployment.user("alice"))
    reads = ("issuer:trusted-issuers:read", "issuer:users:read")
    page = signed_in(*reads).get(PAGE)
    assert "s-alice" in page.text
    assert "people, who sign in there" in page.text
    unseen = signed_in(reads[0], username="narrow").get(PAGE)
    assert "s-alice" not in unseen.text


def test_only_admins_may_change_it(signed_in: SignedIn, here: Company):
    page = signed_in("issuer:trusted-issuers:write").get(PAGE)
    assert "only holders of issuer:admin may change it" in page.text
    assert "Edit" not in page.text


def test_deleting_says_whose_accounts_are_unlinked(
    admin: Browser, here: Company, deployment: Deployment
):
    here.link(deployment.user("alice"))
    asked = send(admin, PAGE, do="delete")
    assert "Accounts of 1 users there are unlinked" in asked.text
    done = admin.follow(admin.submit(asked, PAGE, typed="company"))
    assert "The trusted issuer company is deleted." in done.text


class TestAccountsOfAUser:
    @pytest.fixture
    def page(self, here: Company, deployment: Deployment) -> str:
        return f"/console/users/{deployment.user('alice')}"

    def test_one_is_linked_and_unlinked(self, admin: Browser, page: str, deployment: Deployment):
        linked = admin.follow(
            send(admin, page, do="add-identity", issuer="company", subject="s-alice")
        )
        assert "alice can sign in with this account." in linked.text
        assert "issuer user identity add" in linked.text
        with deployment.services.administration.reading() as work:
            (identity,) = work.identities.of_user(page.rpartition("/")[2])
        asked = send(admin, page, do="remove-identity", identity_id=identity.id)
        assert "Unlink the account s-alice of company?" in asked.text
        assert not events(deployment, "identity.unlinked")
        assert "The account is unlinked from" in admin.follow(admin.submit(asked, page)).text
        assert events(deployment, "identity.unlinked")

    def test_what_cannot_be_linked_stands_at_its_field(self, admin: Browser, page: str):
        wrong = send(admin, page, do="add-identity", issuer="company", subject="é")
        assert wrong.status == httpx.codes.BAD_REQUEST
        assert "printable ASCII characters" in wrong.text

    def test_groups_that_gave_roles_are_shown(self, admin: Browser, page: str, here: Company):
        here.link(page.rpartition("/")[2])
        here.arrive(groups=["engineers", "other"])
        shown = admin.get(page).text
        assert "engineers" in shown
        assert "an account elsewhere" in shown
