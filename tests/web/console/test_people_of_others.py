"""Trusted issuers where people sign in, and the accounts of users there, in the console."""

import json
from dataclasses import replace

import httpx
import pytest

from issuer.errors import InvalidField
from tests.builders import Deployment
from tests.oauth.refreshing import events
from tests.people_of_others import Company, company
from tests.sign_in.fake_provider import FakeProvider, sign_in_elsewhere
from tests.trusting import OtherIssuer
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
    assert f"{deployment.services.settings.url}/sign-in/callback/google" in page.text
    typed = {"client_id": "ours", "client_secret": SECRET, "customer": "acme.com"}
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
    assert made.sign_in.required_claims == {"hd": "acme.com"}
    assert made.issuer == "https://accounts.google.com"
    assert not made.sign_in.shown
    assert "not shown yet" in done.text


@pytest.mark.parametrize(
    ("kind", "typed", "message"),
    [
        ("people-entra", {"customer": "acme.onmicrosoft.com"}, "must be the id of a tenant"),
        ("people-okta", {"customer": "your-org.okta.com"}, "is a placeholder"),
        ("people-google", {"customer": "example.com"}, "is a placeholder"),
        ("people-keycloak", {"customer": "https://HOST/realms/REALM"}, "is a placeholder"),
        ("people-keycloak", {"customer": "http://sso.acme.com/realms/x"}, "must be an https URL"),
        ("people-github", {"customer": "ORGANISATION"}, "is a placeholder"),
        ("people-github", {"customer": "acme", "client_id": "<client-id>"}, "is a placeholder"),
        ("people-github", {"customer": "acme", "client_secret": "YOUR_SECRET"}, "is a placeholder"),
        ("people", {"issuer": "https://{tenant}.auth0.com"}, "is a placeholder"),
    ],
)
def test_what_is_no_value_of_a_provider_stands_at_its_field(
    admin: Browser, deployment: Deployment, kind: str, typed: dict[str, str], message: str
):
    page = admin.get(LIST, new=kind)
    given = {"client_id": "ours", "client_secret": SECRET, **typed}
    wrong = fill(admin, page, LIST, **given)
    assert wrong.status == httpx.codes.BAD_REQUEST
    assert message in wrong.text
    assert SECRET not in wrong.response.text
    assert not events(deployment, "trusted_issuer.created")


def test_its_button_is_shown_and_hidden_and_nothing_else_changes(
    admin: Browser, here: Company, deployment: Deployment
):
    here.change(sign_in={"client_secret": SECRET, "shown": False, "name": "Acme"})
    before = here.record
    sign_in = Browser(deployment.http)
    assert "Continue with" not in sign_in.get("/sign-in").text
    page = admin.get(PAGE)
    fields = page.form(PAGE).fields
    done = admin.follow(admin.post(PAGE, {**fields, "do": "save"}))
    assert "trusted-issuer update company --sign-in-shown" in done.text
    assert "Continue with Acme" in sign_in.get("/sign-in").text
    assert before.sign_in is not None
    assert here.record == replace(before, sign_in=replace(before.sign_in, shown=True))
    fields = done.form(PAGE).fields
    admin.post(PAGE, {**fields, "do": "save"})
    assert here.record == before


def test_the_only_way_to_sign_in_has_a_button(here: Company):
    with pytest.raises(InvalidField, match="must be false while shown is"):
        here.change(sign_in={"only": True, "shown": False})


def test_a_form_for_workloads_has_nothing_of_people(admin: Browser):
    fields = admin.get(LIST, new="github").form(LIST).fields
    assert "client_id" not in fields
    assert fields["purpose"] == "workload"


def test_what_is_wrong_stands_at_its_field_and_the_secret_is_lost(admin: Browser):
    page = admin.get(LIST, new="people")
    typed = {"id": "sso", "issuer": "https://sso.acme.com", "client_secret": SECRET}
    wrong = fill(admin, page, LIST, **typed, client_id="é", roles="engineers")
    assert wrong.status == httpx.codes.BAD_REQUEST
    assert "Line 1: must be GROUP=ROLE@AUDIENCE" in wrong.text
    again = fill(admin, page, LIST, **typed, client_id="é", required_claims="{")
    assert "is not JSON" in again.text
    last = fill(admin, page, LIST, **typed, client_id="é")
    assert "ASCII characters" in last.text
    assert SECRET not in wrong.response.text + again.response.text + last.response.text


def test_a_role_is_assigned_to_a_group_and_unassigned(
    admin: Browser, here: Company, deployment: Deployment
):
    def roles() -> list[tuple[str, str | None]]:
        with deployment.services.administration.reading() as work:
            stored = work.trusted_issuers.get("company").sign_in
        assert stored is not None
        return [(each.group, each.audience) for each in stored.roles]

    named = {"role": "runner", "group": "all"}
    assert (
        "name either one audience or everywhere"
        in send(admin, PAGE, do="assign-role", **named).text
    )
    asked = send(admin, PAGE, do="assign-role", **named, everywhere="yes")
    assert "Assign runner to the group all of company, everywhere?" in asked.text
    assert roles() == [("engineers", "my-os")]
    done = admin.follow(admin.submit(asked, PAGE))
    assert "issuer trusted-issuer role assign company runner" in done.text
    assert roles() == [("all", None), ("engineers", "my-os")]
    asked = send(admin, PAGE, do="unassign-role", **named, everywhere="yes")
    assert "lose it at once" in asked.text
    assert "is unassigned from the group all" in admin.follow(admin.submit(asked, PAGE)).text
    assert roles() == [("engineers", "my-os")]


def test_a_role_that_does_not_exist_is_an_error_of_the_form(admin: Browser, here: Company):
    typed = {"role": "nope", "group": "all", "audience": "my-os"}
    wrong = admin.submit(send(admin, PAGE, do="assign-role", **typed), PAGE)
    assert wrong.status == httpx.codes.BAD_REQUEST
    assert "nope" in wrong.text


def test_its_page_says_why_the_last_sign_in_there_failed(
    admin: Browser, signed_in: SignedIn, deployment: Deployment
):
    provider = FakeProvider.trusted(deployment)
    sign_in_elsewhere(Browser(deployment.http), provider)
    page = admin.get(PAGE)
    assert "no user is linked to the account" in page.text
    assert "Link the account to a user" in page.text
    assert "no user is linked" not in signed_in("issuer:trusted-issuers:read").get(PAGE).text
    company(deployment, OtherIssuer.new("https://other.example", "ES256"), issuer_id="other")
    assert "no user is linked" not in admin.get(f"{LIST}/other").text


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
