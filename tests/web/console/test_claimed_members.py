"""A form claims the members that it shows: a change by it leaves every other one as it is."""

from collections.abc import Mapping

import pytest

from issuer.cli.program import imported
from issuer.groups import GROUP
from issuer.resources.resource_type import Member, members_of
from issuer.trusted_issuers.sign_in import SignInFields
from issuer.web.console import audiences, groups, roles, trusted_issuers
from issuer.web.console.clients import clients
from issuer.web.console.users import users
from tests.builders import Deployment
from tests.trusting import OtherIssuer, trust, trusted
from tests.web.browsing import Browser

CLIENT = "/console/clients/everything"
FORMS = {
    "/console/audiences/my-os": audiences.FORM,
    CLIENT: clients.FORM,
    "/console/groups/team": groups.FORM,
    "/console/roles/runner": roles.FORM,
    "/console/trusted-issuers/cluster": trusted_issuers.FORM,
    "/console/users/alice": users.FORM,
}
SIGN_IN = members_of(SignInFields)


@pytest.fixture(autouse=True)
def with_everything(deployment: Deployment) -> None:
    """A resource of each kind whose form has all that a form of its kind can have."""
    deployment.role("runner", ["agents:run"])
    deployment.user("alice", id="alice")
    both = {"kinds": ["workload", "people"], "sign_in": {"client_id": "ours"}}
    trusted(deployment, OtherIssuer.new(), **both)
    deployment.client(
        "everything",
        grant_types=["authorization_code", "client_credentials"],
        redirect_uris=["https://app.example/"],
        trusts=[trust()],
    )
    with deployment.changing() as work:
        work.groups.create(GROUP.fields.read({"name": "Team", "id": "team"}))


def test_every_member_has_a_field_in_the_form_for_a_change(admin: Browser):
    for path, form in FORMS.items():
        claimed = {*admin.get(path, edit="yes").form(path).fields["members"].split()}
        of_sign_in = SIGN_IN.keys() if form is trusted_issuers.FORM else set()
        assert claimed == form.members.keys() | of_sign_in, path


def test_every_member_has_an_option():
    for form in FORMS.values():
        noun = imported(form.type.kind.replace(" ", "-"))
        parameters = [each for verb in ("create", "update") for each in noun.commands[verb].params]
        options = {option for each in parameters for option in each.opts}
        members = {**form.members, **(SIGN_IN if form is trusted_issuers.FORM else {})}
        assert {*names_of(members)} <= options, form.type.kind


def names_of(members: Mapping[str, Member]) -> list[str]:
    """The option of each; `--a/--b` has two names."""
    return [
        (each.option or f"--{name.replace('_', '-')}").partition("/")[0]
        for name, each in members.items()
    ]


def test_a_member_that_the_form_does_not_show_survives_a_change(
    deployment: Deployment, admin: Browser
):
    """As a member of a newer program, whose form was shown by an older one."""
    with deployment.changing() as work:
        work.clients.update("everything", {"claims": {"team": "a"}})
    form = admin.get(CLIENT, edit="yes").form(CLIENT).fields
    assert "claims" in form["members"].split()
    form["members"] = form["members"].replace("claims", "")
    hidden = {
        name: text for name, text in form.items() if not (text == "yes" or name.startswith("pick"))
    }
    ticked = dict.fromkeys(["authorization_code", "client_credentials", "require_pkce"], "yes")
    texts = {"redirect_uris": "https://app.example/", "audiences": "my-os", "name": "Renamed"}
    chosen = {"token_endpoint_auth_method": "client_secret_basic", "user_rights": "own"}
    saved = admin.post(CLIENT, {**hidden, **ticked, **texts, **chosen, "do": "save"})
    assert "The client everything is changed." in admin.follow(saved).text
    with deployment.changing() as work:
        after = work.clients.get("everything")
    assert (after.name, len(after.trusts), after.claims) == ("Renamed", 1, {"team": "a"})
