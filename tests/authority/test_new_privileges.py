"""What others gave ends where somebody gets rights at the issuer, on both databases."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from sqlalchemy import update

from issuer import manifest
from issuer.audit import Actor, EventFilter
from issuer.authority.credentials import CredentialsNotKept
from issuer.clients.client import SecretFields
from issuer.composition import UnitOfWork
from issuer.database.tables import ClientRow, ClientSecretRow, InvitationRow, UserRow
from issuer.errors import InvalidCredentials, NotAllowed
from issuer.groups import GroupFields
from issuer.roles import Assignment
from issuer.sign_in import InvitationFields
from issuer.sign_in.identities import Refused
from issuer.trusted_issuers import TrustedIssuerFields
from tests.builders import PASSWORD, URL, Credentials, Deployment, hashed
from tests.drivers import TokenDriver
from tests.issuers import Arrange, with_my_os
from tests.oauth.asserting import AssertingClient
from tests.people_of_others import company
from tests.sign_in.authorizing import App, sign_in
from tests.sign_in.people import People
from tests.trusting import OtherIssuer, trust, trusted

HELPDESK_SCOPES = ["issuer:users:write", "issuer:clients:write", "issuer:trusted-issuers:write"]
OTHER_PASSWORD = "an entirely different horse"
ADMIN = Assignment(role="administrator", audience=URL)
Promote = Callable[[UnitOfWork, str], None]


def with_helpdesk(deployment: Deployment) -> None:
    with_my_os(deployment)
    deployment.role("administrator", ["issuer:admin"])
    deployment.role("helpdesk", HELPDESK_SCOPES)
    deployment.role("later", ["agents:run"])
    deployment.user("helper", id="helpdesk", roles=["helpdesk"])


@pytest.fixture
def arrange(request: pytest.FixtureRequest) -> Arrange:
    return with_helpdesk if "helpdesk" in request.fixturenames else with_my_os


@pytest.fixture
def helpdesk(deployment: Deployment) -> Callable[[], Iterator[UnitOfWork]]:
    """Units of work of somebody who may write users, clients and trusted issuers."""

    @contextmanager
    def changing() -> Iterator[UnitOfWork]:
        administration = deployment.services.administration
        with administration.changing(Actor("helpdesk"), HELPDESK_SCOPES) as work:
            yield work

    return changing


@contextmanager
def acting(deployment: Deployment, user_id: str) -> Iterator[UnitOfWork]:
    """As the pages of `/account` change what is the user's own."""
    with deployment.services.administration.changing(Actor(user_id)) as work:
        yield work


def invite(work: UnitOfWork, user_id: str) -> str:
    return work.invitations.create(user_id, InvitationFields()).url.rpartition("/")[2]


def accept(deployment: Deployment, token: str, password: str = OTHER_PASSWORD) -> bool:
    try:
        with acting(deployment, "the invited user") as work:
            work.invitations.accept_with_password(token, hashed(password, "owasp"))
    except NotAllowed:
        return False
    return True


def can_sign_in(deployment: Deployment, username: str, password: str) -> bool:
    try:
        deployment.services.sign_in.sign_in.authenticate(username, password)
    except InvalidCredentials:
        return False
    return True


def promote(deployment: Deployment, user_id: str, assignment: Assignment = ADMIN) -> list[str]:
    """The warnings."""
    with deployment.changing() as work:
        work.assignments.assign(user_id, assignment)
    return work.new_privileges.warnings


def ended(deployment: Deployment) -> list[dict[str, object]]:
    with deployment.services.administration.reading() as work:
        found = work.audit_log.page(EventFilter(action="user.access_ended"), None, 100)
    return [dict(event.details["given_by"]) for event in found]


def by_contents(work: UnitOfWork, _: str) -> None:
    work.roles.update("later", {"scopes": ["agents:run", "issuer:keys:read"]})


def by_manifest(work: UnitOfWork, user_id: str) -> None:
    roles = [{"role": "administrator"}]
    text = json.dumps({"users": [{"username": "alice", "id": user_id, "roles": roles}]})
    manifest.apply(work, manifest.plan(work, manifest.read(text.encode(), "manifest")))


def by_group(work: UnitOfWork, user_id: str) -> str:
    """A group that the user is a member of, and that gives no rights yet."""
    group = work.groups.create(GroupFields(name=f"Group of {user_id}"))
    work.groups.add_members(group.id, [user_id])
    return group.id


def by_membership(work: UnitOfWork, user_id: str) -> None:
    group = work.groups.create(GroupFields(name=f"Admins with {user_id}"))
    work.assignments.assign(group.id, ADMIN)
    work.groups.add_members(group.id, [user_id])


def by_role_of_a_group(work: UnitOfWork, user_id: str) -> None:
    work.assignments.assign(by_group(work, user_id), ADMIN)


def by_contents_of_a_role_of_a_group(work: UnitOfWork, user_id: str) -> None:
    work.assignments.assign(by_group(work, user_id), Assignment(role="later"))
    by_contents(work, user_id)


USER_WAYS: dict[str, Promote] = {
    "membership": by_membership,
    "role of a group": by_role_of_a_group,
    "contents of a role of a group": by_contents_of_a_role_of_a_group,
    "assignment": lambda work, user_id: work.assignments.assign(user_id, ADMIN),
    "contents of a role": by_contents,
    "manifest": by_manifest,
}


def test_what_others_gave_ends_by_every_way_to_begin(deployment: Deployment, helpdesk):
    """Also what stems from it: the password is the user's own now, and the passkey."""
    people = People(deployment, deployment.clock)
    for way, begin in USER_WAYS.items():
        alice = deployment.user("alice", password=None, roles=["later"])
        with helpdesk() as work:
            token = invite(work, alice)
        assert accept(deployment, token)
        with acting(deployment, alice) as work:
            work.users.set_password(alice, hashed(PASSWORD, "owasp"))
        app = people.app_of(alice)
        passkey = people.passkey_of(alice)
        with helpdesk() as work:
            token = invite(work, alice)
        with deployment.changing() as work:
            begin(work, alice)
        assert not accept(deployment, token), way
        assert not can_sign_in(deployment, "alice", PASSWORD), way
        assert people.check(alice, app.recovery_codes[0]) != "done"
        with pytest.raises(InvalidCredentials):
            people.sign_in(passkey)
        named = ended(deployment)[0]
        assert set(named.values()) == {"helpdesk"}
        assert {"invitation", "password", "recovery codes"} < named.keys()
        assert "cannot sign in" in work.new_privileges.warnings[0]
        with deployment.changing() as work:
            work.roles.update("later", {"scopes": ["agents:run"]})
            work.users.delete(alice)


def test_what_an_admin_gave_survives(deployment: Deployment, helpdesk):
    """A password, an invitation, and a passkey that the user added afterwards."""
    alice = deployment.user("alice")
    people = People(deployment, deployment.clock)
    passkey = people.passkey_of(alice)
    with deployment.changing() as work:
        token = invite(work, alice)
    assert promote(deployment, alice) == []
    assert ended(deployment) == []
    assert people.sign_in(passkey).user.id == alice
    assert accept(deployment, token, PASSWORD)


def test_an_admin_s_password_does_not_clean_an_account_with_factors_of_others(
    deployment: Deployment, helpdesk
):
    people = People(deployment, deployment.clock)
    alice, bob = deployment.user("alice", password=None), deployment.user("bob", password=None)
    for user_id in (alice, bob):
        with helpdesk() as work:
            work.users.set_password(user_id, hashed(OTHER_PASSWORD, "owasp"))
    people.passkey_of(alice)
    with deployment.changing() as work:
        for user_id in (alice, bob):
            work.users.set_password(user_id, hashed(PASSWORD, "owasp"))
    promote(deployment, alice)
    promote(deployment, bob)
    assert not can_sign_in(deployment, "alice", PASSWORD)
    assert can_sign_in(deployment, "bob", PASSWORD)


def test_an_account_that_others_gave_the_name_of_somebody_begins_without_its_password(
    deployment: Deployment, helpdesk
):
    """Although an admin had given that. The same name in another case is no other name."""
    bob, mallory = deployment.user("bob"), deployment.user("mallory")
    with helpdesk() as work:
        work.users.update(bob, {"username": "robert"})
        work.users.update(mallory, {"username": "bob"})
    renamed, alice = deployment.user("carol"), deployment.user("alice")
    with deployment.changing() as work:
        work.users.update(renamed, {"username": "caroline"})
    with helpdesk() as work:
        work.users.update(alice, {"username": "Alice", "name": "Alice"})
    for user_id in (mallory, renamed, alice):
        promote(deployment, user_id)
    names = ["bob", "caroline", "alice"]
    assert [can_sign_in(deployment, each, PASSWORD) for each in names] == [False, True, True]


def test_an_account_that_others_gave_another_name_begins_without_what_admins_gave_before(
    deployment: Deployment, helpdesk
):
    """Its account elsewhere, and its invitation."""
    here = company(deployment)
    linked = deployment.user("mallory", password=None)
    here.link(linked)
    invited, renamed_by_admin = deployment.user("mal"), deployment.user("ann", password=None)
    with deployment.changing() as work:
        tokens = [invite(work, each) for each in (invited, renamed_by_admin)]
        work.users.update(renamed_by_admin, {"username": "anna"})
    with helpdesk() as work:
        work.users.update(linked, {"username": "bob"})
        work.users.update(invited, {"username": "carol"})
    for user_id in (linked, invited, renamed_by_admin):
        promote(deployment, user_id)
    assert here.refusal().why is Refused.NOT_LINKED
    administration = deployment.services.administration
    with administration.reading() as work:
        found = [work.invitations.find(each) is not None for each in tokens]
    assert found == [False, True]


def test_what_is_older_than_the_names_of_grantors_counts_as_given_by_others(
    deployment: Deployment, helpdesk
):
    alice = deployment.user("alice")
    with deployment.services.database.transaction() as session:
        session.execute(update(UserRow).values(given_by=None, given_as=None))
    promote(deployment, alice)
    assert not can_sign_in(deployment, "alice", PASSWORD)


def test_sessions_codes_and_tokens_end_where_a_user_begins(
    deployment: Deployment, helpdesk, app: App
):
    """Although the password survives."""
    alice = deployment.user("alice", roles=["later"])
    person = sign_in(deployment, alice)
    due = sign_in(deployment, alice, second_factor_due=True)
    given = person.signs_in_to(app, scope="agents:run")
    code = person.allows(app, scope="agents:run")
    promote(deployment, alice)
    sessions = deployment.services.people.sessions
    assert sessions.of_user(alice) == []
    with pytest.raises(InvalidCredentials):
        sessions.complete(due.session, ("otp",), Actor())
    assert app.redeem(code).error == "invalid_grant"
    assert app.refresh(given.body["refresh_token"]).error == "invalid_grant"
    with pytest.raises(InvalidCredentials):
        deployment.services.tokens.any_reader.read(given.token)


@pytest.mark.parametrize(
    "what", ["unassigned", "disabled", "deleted", "made again", "user has rights", "unknown maker"]
)
def test_an_invitation_is_refused_where_its_maker_may_not_invite(
    deployment: Deployment, helpdesk, what: str
):
    alice = deployment.user("alice", password=None)
    with helpdesk() as work:
        token = invite(work, alice)
    deployment.clock.move(timedelta(seconds=1))
    with deployment.changing() as work:
        match what:
            case "unassigned":
                work.assignments.unassign("helpdesk", Assignment(role="helpdesk"))
            case "disabled":
                work.users.update("helpdesk", {"disabled": True})
            case "deleted" | "made again":
                work.users.delete("helpdesk")
    if what == "made again":
        deployment.user("other", id="helpdesk", roles=["helpdesk"])
    if what in {
        "user has rights",
        "unknown maker",
    }:  # as an older program beside this one leaves it
        maker = "helpdesk" if what == "user has rights" else None
        promote(deployment, alice)
        with deployment.changing() as work:
            token = invite(work, alice)
        with deployment.services.database.transaction() as session:
            session.execute(update(InvitationRow).values(given_by=maker, given_as=None))
    assert not accept(deployment, token)


@pytest.mark.parametrize("how", ["end all", "reset factors", "disable"])
def test_an_invitation_ends_with_what_it_would_bring_back(
    deployment: Deployment, helpdesk, how: str
):
    alice = deployment.user("alice")
    with deployment.changing() as work:
        token = invite(work, alice)
    with deployment.changing() as work:
        match how:
            case "end all":
                work.users.revoke_tokens(alice)
            case "reset factors":
                work.factors.reset(alice)
            case "disable":
                work.users.update(alice, {"disabled": True})
                work.users.update(alice, {"disabled": False})
    assert not accept(deployment, token)


def by_client_role(work: UnitOfWork) -> None:
    work.assignments.assign("ci", Assignment(role="administrator"))


def by_client_manifest(work: UnitOfWork) -> None:
    data = json.loads("".join(manifest.export(work, as_json=True)))
    (client,) = [each for each in data["clients"] if each["client_id"] == "ci"]
    client["scopes"] = ["issuer:keys:read"]
    text = json.dumps({"clients": [client]})
    manifest.apply(work, manifest.plan(work, manifest.read(text.encode(), "manifest")))


CLIENT_WAYS: dict[str, Callable[[UnitOfWork], object]] = {
    "scopes": lambda work: work.clients.update("ci", {"scopes": ["issuer:keys:read"]}),
    "audience": lambda work: work.clients.update("ci", {"audiences": ["my-os", URL]}),
    "role": by_client_role,
    "contents of a role": lambda work: work.roles.update("later", {"scopes": ["issuer:keys:read"]}),
    "manifest": by_client_manifest,
}


@pytest.fixture
def ci(deployment: Deployment, helpdesk) -> None:
    """A client of an admin, to which the helpdesk added everything that it could."""
    deployment.client(
        "ci",
        roles=["later"],
        grant_types=["client_credentials", "authorization_code"],
        redirect_uris=["https://ci.example/"],
    )
    with helpdesk() as work:
        other = OtherIssuer.new(alg="ES256")
        trusted_by(work, other)
        work.clients.add_secret("ci", SecretFields(label="theirs"))
        work.clients.update(
            "ci",
            {
                "jwks": AssertingClient.new("any").jwks,
                "trusts": [trust()],
                "redirect_uris": ["https://ci.example/", "https://evil.example/"],
            },
        )


def trusted_by(work: UnitOfWork, other: OtherIssuer) -> None:
    members = {"id": "cluster", "issuer": other.issuer, "algorithms": [other.alg]}
    work.trusted_issuers.create(TrustedIssuerFields.read({**members, "keys": {"jwks": other.jwks}}))


def test_a_client_begins_only_with_credentials_that_were_confirmed(deployment: Deployment, ci):
    """By each way; those of the admin need no confirmation."""
    for way, begin in CLIENT_WAYS.items():
        with pytest.raises(CredentialsNotKept) as refused, deployment.changing() as work:
            begin(work)
        found = {each.kind: each for each in refused.value.given}
        assert len(refused.value.given) == 5, way
        assert {each.given_by for each in found.values()} == {"helpdesk"}
        assert found.keys() == {"secret", "key", "trust", "redirect_uri", "trusted_issuer"}
        assert found["redirect_uri"].name == "https://evil.example/"


def test_a_plan_names_what_must_be_confirmed(deployment: Deployment, ci):
    """As the refusal does: by the role that the client has, and by its own scopes."""
    with deployment.services.administration.reading() as work:
        data = json.loads("".join(manifest.export(work, as_json=True)))
    for each in data["roles"]:
        if each["name"] == "later":
            each["scopes"] = ["issuer:keys:read"]
    text = json.dumps({"roles": data["roles"]}).encode()
    with deployment.services.administration.reading() as work:
        plan = manifest.plan(work, manifest.read(text, "manifest"))
    with pytest.raises(CredentialsNotKept) as refused, deployment.changing() as work:
        manifest.apply(work, plan)
    assert {*plan.credentials} == {*refused.value.given}
    (line,) = [each for each in plan.lines() if "https://evil.example/" in each]
    assert line.startswith("needs --keep-credentials redirect_uri_")
    with deployment.services.administration.reading() as work:
        clean = [{**each, "trusts": [], "jwks": None} for each in data["clients"]]
        text = json.dumps({"roles": data["roles"], "clients": clean}).encode()
        plan = manifest.plan(work, manifest.read(text, "manifest"))
    assert {each.kind for each in plan.credentials} == {"secret", "redirect_uri"}


def test_confirmed_credentials_are_kept_and_the_tokens_end(
    deployment: Deployment, ci, token_endpoint: TokenDriver
):
    with pytest.raises(CredentialsNotKept) as refused, deployment.changing() as work:
        by_client_role(work)
    ids = [each.id for each in refused.value.given]
    mine = deployment.secret(Credentials("ci", ""))
    before = token_endpoint.client_credentials(mine, audience="my-os").token
    with pytest.raises(CredentialsNotKept) as refused, deployment.changing() as work:
        work.new_privileges.keep(ids[1:])
        by_client_role(work)
    assert [each.id for each in refused.value.given] == ids[:1]
    version = deployment_version(deployment)
    with deployment.changing() as work:
        work.new_privileges.keep(ids)
        by_client_role(work)
    assert deployment_version(deployment) == version  # nobody's ETag has moved
    with pytest.raises(InvalidCredentials):
        deployment.services.tokens.any_reader.read(before)
    with deployment.changing() as work:  # kept is kept
        work.assignments.unassign("ci", Assignment(role="administrator"))
    with deployment.changing() as work:
        by_client_role(work)


def deployment_version(deployment: Deployment) -> int:
    with deployment.services.administration.reading() as work:
        return work.clients.get("ci").version


def test_a_confirmation_names_the_content(deployment: Deployment, ci, helpdesk):
    """Another key of the same name, or a trusted issuer that was changed, was not confirmed."""
    with pytest.raises(CredentialsNotKept) as refused, deployment.changing() as work:
        by_client_role(work)
    with helpdesk() as work:
        work.clients.update("ci", {"jwks": AssertingClient.new("any").jwks})
        work.trusted_issuers.update(
            "cluster", {"keys": {"jwks": OtherIssuer.new(alg="ES256").jwks}}
        )
    with pytest.raises(CredentialsNotKept) as again, deployment.changing() as work:
        work.new_privileges.keep([each.id for each in refused.value.given])
        by_client_role(work)
    assert {each.kind for each in again.value.given} == {"key", "trusted_issuer"}


def test_a_confirmation_is_not_for_a_trusted_issuer_that_was_made_anew(
    deployment: Deployment, ci, helpdesk
):
    """With other keys, and the same trust of the client."""
    with pytest.raises(CredentialsNotKept) as refused, deployment.changing() as work:
        by_client_role(work)
    with helpdesk() as work:
        work.trusted_issuers.delete("cluster", cascade=True)
        trusted_by(work, OtherIssuer.new(alg="ES256"))
        work.clients.update("ci", {"trusts": [trust()]})
    with pytest.raises(CredentialsNotKept) as again, deployment.changing() as work:
        work.new_privileges.keep([each.id for each in refused.value.given])
        by_client_role(work)
    assert [each.kind for each in again.value.given] == ["trusted_issuer"]


def test_a_confirmation_is_for_one_client(deployment: Deployment, ci, helpdesk):
    """Not for another one that got the role, and equal credentials, since it was asked for."""
    members = {"scopes": ["issuer:keys:read"]}
    with pytest.raises(CredentialsNotKept) as refused, deployment.changing() as work:
        work.roles.update("later", members)
    deployment.client("other", roles=["later"])
    with helpdesk() as work:
        work.clients.update("other", {"trusts": [trust()]})
    with pytest.raises(CredentialsNotKept) as again, deployment.changing() as work:
        work.new_privileges.keep([each.id for each in refused.value.given])
        work.roles.update("later", members)
    assert [(each.client_id, each.kind) for each in again.value.given] == [("other", "trust")]


def test_replaced_credentials_need_no_confirmation(deployment: Deployment, ci):
    with deployment.changing() as work:
        for secret in work.clients.secrets("ci"):
            work.clients.delete_secret("ci", secret.id)
        patch = {"jwks": None, "trusts": [], "redirect_uris": ["https://ci.example/"]}
        work.clients.update("ci", patch)
        work.clients.add_secret("ci", SecretFields())
    with deployment.changing() as work:
        by_client_role(work)


def test_credentials_of_an_unknown_grantor_count_as_given_by_others(
    deployment: Deployment, helpdesk
):
    """Also after an admin has changed something else of the client."""
    deployment.client("ci", jwks=AssertingClient.new("any").jwks)
    deployment.secret(Credentials("ci", ""))
    with deployment.services.database.transaction() as session:
        session.execute(update(ClientRow).values(credentials_given=None))
        session.execute(update(ClientSecretRow).values(given_by=None, given_as=None))
    with deployment.changing() as work:
        work.clients.update("ci", {"name": "CI"})
    with pytest.raises(CredentialsNotKept) as refused, deployment.changing() as work:
        by_client_role(work)
    found = {each.kind: each.given_by for each in refused.value.given}
    assert found == {"secret": None, "key": None}


def test_a_privileged_client_relies_on_another_issuer_only_if_an_admin_vouches_for_it(
    deployment: Deployment, helpdesk
):
    deployment.client("ci", audiences=[URL], scopes=["issuer:keys:read"])
    with helpdesk() as work:
        trusted_by(work, OtherIssuer.new(alg="ES256"))
    trusted(deployment, OtherIssuer.new(alg="ES256"), id="ours")
    with pytest.raises(CredentialsNotKept) as refused, deployment.changing() as work:
        work.clients.update("ci", {"trusts": [trust(), trust(issuer="ours")]})
    (cluster,) = refused.value.given
    assert cluster.id.startswith("cluster@")
    with deployment.changing() as work:
        work.new_privileges.keep([cluster.id])
        work.clients.update("ci", {"trusts": [trust(), trust(issuer="ours")]})


def test_nothing_ends_where_nobody_begins(deployment: Deployment, helpdesk):
    """More rights for somebody who has some."""
    alice = deployment.user("alice", roles=["administrator"])
    person = sign_in(deployment, alice)
    with deployment.changing() as work:
        work.assignments.assign(alice, Assignment(role="helpdesk"))
        work.users.update(alice, {"name": "Alice"})
    assert [each.id for each in deployment.services.people.sessions.of_user(alice)] == [
        person.session.id
    ]
