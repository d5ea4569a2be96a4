"""No sequence of changes by holders of write scopes makes them somebody with rights here.

Whatever they prepared before a promotion, do after it, or saw in between: no secret, password,
invitation, session, passkey, code or token of theirs acts as the promoted user or client.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from issuer import manifest
from issuer.audit import Actor
from issuer.authority.credentials import CredentialsNotKept, MembersNotKept
from issuer.clients.client import ClientFields, SecretFields
from issuer.composition import UnitOfWork
from issuer.errors import InvalidCredentials, IssuerError, NotFound
from issuer.groups import GroupFields
from issuer.roles import Assignment, RoleFields
from issuer.sign_in import InvitationFields
from issuer.sign_in.authorization_request import ConsentNeeded, Redirection
from issuer.trusted_issuers import TrustedIssuerFields
from issuer.users import UserFields
from tests.builders import PASSWORD, URL, Credentials, Deployment, hashed
from tests.drivers import TokenDriver
from tests.oauth.asserting import AssertingClient
from tests.sign_in.authenticator import Authenticator
from tests.sign_in.authorizing import CALLBACK, GRANTS, App, Person, code_of, sign_in
from tests.sign_in.people import BROWSER, People
from tests.trusting import OtherIssuer, trust

WRITE = [f"issuer:{what}:write" for what in ("audiences", "roles", "clients", "users", "groups")]
WRITE += ["issuer:trusted-issuers:write"]
THEIRS, ADMINS = "what the attackers know", "what an administrator chose"
EVIL = "https://evil.example/callback"
OTHER = OtherIssuer.new(alg="ES256")
KEY = AssertingClient.new("any").jwks
_numbers = count(1)


Step = Callable[["World"], None]


@dataclass
class World:
    """A user and a client, and all that the attackers have got hold of."""

    deployment: Deployment
    app: App
    user: str = ""
    client: str = ""
    role: str = ""
    group: str = ""
    issuer: str = ""
    invitations: list[str] = field(default_factory=list)
    people: list[Person] = field(default_factory=list)
    passkeys: list[Authenticator] = field(default_factory=list)
    codes: list[str] = field(default_factory=list)
    refresh_tokens: list[str] = field(default_factory=list)
    access_tokens: list[str] = field(default_factory=list)
    secrets: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        number = next(_numbers)
        self.user, self.client = f"user-{number}", f"client-of-{number}"
        self.role, self.issuer = f"later-{number}", f"issuer-{number}"
        self.group = self.deployment.group(f"group-{number}", id=f"group-{number}")
        self.deployment.role(self.role, ["agents:run"])
        self.deployment.user(self.user, id=self.user, password=None, roles=[self.role])
        members = {"grant_types": ["client_credentials", *GRANTS], "redirect_uris": [CALLBACK]}
        self.deployment.client(self.client, roles=[self.role], **members)

    @contextmanager
    def attacking(self) -> Iterator[UnitOfWork]:
        """Through the admin API, where any refusal is a refusal."""
        administration = self.deployment.services.administration
        with suppress(IssuerError), administration.changing(Actor("attacker"), WRITE) as work:
            yield work

    def on_account(self, do: Callable[[UnitOfWork], object]) -> bool:
        """On the pages of the user, in a session that the attackers have; whether it was done."""
        administration = self.deployment.services.administration
        with suppress(IssuerError), administration.changing(Actor(self.user)) as work:
            work.sessions.require(self.people[-1].session)
            do(work)
            return True
        return False

    def holds_rights(self, principal: str) -> bool:
        with self.deployment.services.administration.reading() as work:
            if principal == self.user:
                return work.authority.holds_rights(principal)
            return principal in work.authority.privileged().clients


# What the attackers do. Each may be refused, or have nothing to work on.


def set_password(world: World) -> None:
    with world.attacking() as work:
        work.users.set_password(world.user, hashed(THEIRS, "owasp"))


def invite(world: World) -> None:
    with world.attacking() as work:
        url = work.invitations.create(world.user, InvitationFields()).url
        world.invitations.append(url.rpartition("/")[2])


def accept(world: World) -> None:
    administration = world.deployment.services.administration
    for token in world.invitations:
        with suppress(IssuerError), administration.changing(Actor(world.user)) as work:
            work.invitations.accept_with_password(token, hashed(THEIRS, "owasp"))


def begin_session(world: World) -> None:
    checks = world.deployment.services.sign_in.sign_in
    with suppress(IssuerError):
        user = checks.authenticate_first_factor(world.user, THEIRS)
        due = user.has_second_factor
        if not due:
            world.people.append(sign_in(world.deployment, user.id))


def use_passkeys(world: World) -> None:
    for passkey in world.passkeys:
        with suppress(IssuerError):
            People(world.deployment, world.deployment.clock).sign_in(passkey)
            world.people.append(sign_in(world.deployment, world.user))


def add_passkey(world: World) -> None:
    if not world.people:
        return
    passkeys = world.deployment.services.factors.passkeys
    authenticator = Authenticator(URL)
    options = passkeys.registration_options(
        world.user, world.user, BROWSER, [], must_verify_user=False
    )
    answer = authenticator.create(options)
    passkey = passkeys.verify_registration(answer, world.user, BROWSER, must_verify_user=False)
    if world.on_account(lambda work: work.factors.add_passkey(passkey, "Theirs")):
        world.passkeys.append(authenticator)


def change_password(world: World) -> None:
    if world.people:
        new = hashed(THEIRS, "owasp")
        world.on_account(lambda work: work.users.set_password(world.user, new))


def authorize_application(world: World) -> None:
    """A code that is kept, and one that is redeemed for tokens."""
    for person in world.people[-1:]:
        with suppress(AssertionError, IssuerError):
            world.codes.append(allowed(person, world.app))
            answer = world.app.redeem(allowed(person, world.app))
            world.access_tokens.append(answer.token)
            world.refresh_tokens.append(answer.refresh_token)


def allowed(person: Person, app: App) -> str:
    step = person.next_step(app, audience=URL, scope="openid")
    if isinstance(step, ConsentNeeded):
        flow = person.deployment.services.people.flow
        step = flow.allow(step, person.session, Actor())
    assert isinstance(step, Redirection)
    return code_of(step.url)


def add_secret(world: World) -> None:
    with world.attacking() as work:
        world.secrets.append(work.clients.add_secret(world.client, SecretFields())[1])


def patch_client(world: World, **members: Any) -> None:
    with world.attacking() as work:
        work.clients.update(world.client, members)


def add_trust(world: World) -> None:
    make_issuer(world)
    patch_client(world, trusts=[trust(issuer=world.issuer)])


def make_issuer(world: World) -> None:
    members = {"id": world.issuer, "issuer": OTHER.issuer, "algorithms": ["ES256"]}
    fields = TrustedIssuerFields.read({**members, "keys": {"jwks": OTHER.jwks}})
    with world.attacking() as work:
        work.trusted_issuers.create(fields)


def make_client_anew(world: World) -> None:
    fields = ClientFields(client_id=world.client, audiences=["my-os"])
    with world.attacking() as work:
        work.clients.delete(world.client)
        created = work.clients.create(fields)
        work.assignments.assign(world.client, Assignment(role=world.role))
        world.secrets.append(created.client_secret)  # type: ignore[attr-defined]


def make_user_anew(world: World) -> None:
    with world.attacking() as work:
        work.users.delete(world.user)
        work.users.create(UserFields(id=world.user, username=world.user))
        work.assignments.assign(world.user, Assignment(role=world.role))


def join(world: World) -> None:
    with world.attacking() as work:
        work.groups.add_members(world.group, [world.user])


def leave(world: World) -> None:
    with world.attacking() as work:
        work.groups.remove_members(world.group, [world.user])


def make_group_anew(world: World) -> None:
    with world.attacking() as work:
        work.groups.delete(world.group)
        work.groups.create(GroupFields(id=world.group, name=world.group))
        work.groups.add_members(world.group, [world.user])
        work.assignments.assign(world.group, Assignment(role=world.role))


def make_role_anew(world: World) -> None:
    with world.attacking() as work:
        work.roles.delete(world.role, cascade=True)
        work.roles.create(RoleFields(name=world.role, scopes=["agents:run"]))
        for principal in (world.user, world.client):
            work.assignments.assign(principal, Assignment(role=world.role))


def reset_factors(world: World) -> None:
    with world.attacking() as work:
        work.factors.reset(world.user)


def take_over(world: World) -> None:
    set_password(world)
    begin_session(world)


def take_over_by_invitation(world: World) -> None:
    invite(world)
    accept(world)
    begin_session(world)


ATTACKS: list[Step] = [
    *(take_over, take_over, take_over_by_invitation),
    *(set_password, invite, accept, begin_session, use_passkeys, add_passkey, change_password),
    *(authorize_application, add_secret, add_trust, make_issuer, make_client_anew),
    *(make_user_anew, make_role_anew, make_group_anew, reset_factors, join, leave),
    partial(patch_client, jwks=KEY),
    partial(patch_client, redirect_uris=[CALLBACK, EVIL]),
]

# What administrators do, by each of the ways to give rights, and what they do beside that.


def promote_user(work: UnitOfWork, world: World) -> None:
    work.assignments.assign(world.user, Assignment(role="administrator", audience=URL))


def promote_group(work: UnitOfWork, world: World) -> None:
    """Whoever is in it now."""
    work.assignments.assign(world.group, Assignment(role="administrator"))


def promote_member(work: UnitOfWork, world: World) -> None:
    promote_group(work, world)
    work.groups.add_members(world.group, [world.user])


def change_role(work: UnitOfWork, world: World) -> None:
    work.roles.update(world.role, {"scopes": ["agents:run", "issuer:users:write"]})


def promote_client(work: UnitOfWork, world: World) -> None:
    work.assignments.assign(world.client, Assignment(role="administrator"))


def give_scopes(work: UnitOfWork, world: World) -> None:
    patch = {"scopes": ["issuer:admin"], "audiences": ["my-os", URL]}
    work.clients.update(world.client, patch)


def give_audience(work: UnitOfWork, world: World) -> None:
    work.clients.update(world.client, {"audiences": ["my-os", URL]})


def apply_manifest(work: UnitOfWork, world: World) -> None:
    role = f"roles:\n- name: {world.role}\n  scopes: [issuer:admin]\n"
    manifest.apply(work, manifest.plan(work, manifest.read(role.encode(), "manifest")))


PROMOTIONS = [
    *(promote_user, promote_group, promote_member, change_role, promote_client, give_scopes),
    *(give_audience, apply_manifest),
]


def admin_sets_password(work: UnitOfWork, world: World) -> None:
    work.users.set_password(world.user, hashed(ADMINS, "owasp"))


def admin_invites(work: UnitOfWork, world: World) -> None:
    work.invitations.create(world.user, InvitationFields())


def demote(work: UnitOfWork, world: World) -> None:
    work.roles.update(world.role, {"scopes": ["agents:run"]})
    work.clients.update(world.client, {"scopes": [], "audiences": ["my-os"]})
    for principal, assignment in (
        (world.user, Assignment(role="administrator", audience=URL)),
        (world.client, Assignment(role="administrator")),
        (world.group, Assignment(role="administrator")),
    ):
        with suppress(NotFound):
            work.assignments.unassign(principal, assignment)


BESIDE = [admin_sets_password, admin_invites, demote]


def administer(
    world: World, change: Callable[[UnitOfWork, World], None], members: Sequence[str] = ()
) -> None:
    """Credentials that others gave are removed, members stay, and the change is made again."""
    try:
        with suppress(NotFound), world.deployment.changing() as work:
            work.new_privileges.keep([], members)
            change(work, world)
    except MembersNotKept:
        administer(world, change, [world.user])
    except CredentialsNotKept as refused:
        with world.deployment.changing() as work:
            work.new_privileges.keep([], members)
            for each in refused.given:
                if each.kind == "secret":
                    work.clients.delete_secret(world.client, each.id)
            clean = {"jwks": None, "trusts": [], "redirect_uris": [CALLBACK]}
            if "authorization_code" not in work.clients.get(world.client).grant_types:
                clean["redirect_uris"] = []
            work.clients.update(world.client, clean)
            change(work, world)


sets_password = partial(administer, change=admin_sets_password)
steps = st.one_of(
    st.sampled_from(ATTACKS),
    st.sampled_from(ATTACKS),
    st.sampled_from([partial(administer, change=each) for each in [*PROMOTIONS, *BESIDE]]),
)


def acts_as_user(world: World) -> list[str]:
    """The ways in that work now."""
    found = []
    services = world.deployment.services
    accept(world)
    with suppress(InvalidCredentials):
        services.sign_in.sign_in.authenticate_first_factor(world.user, THEIRS)
        found.append("password")
    people = People(world.deployment, world.deployment.clock)
    for passkey in world.passkeys:
        with suppress(InvalidCredentials):
            people.sign_in(passkey)
            found.append("passkey")
    if any(services.people.sessions.find(person.cookie) for person in world.people):
        found.append("session")
    tokens = [world.app.redeem(code) for code in world.codes]
    tokens += [world.app.refresh(each) for each in world.refresh_tokens]
    found += ["code or refresh token" for each in tokens if each.status == 200]
    for text in world.access_tokens:
        with suppress(InvalidCredentials):
            if services.administration.load_current_scopes(services.tokens.any_reader.read(text)):
                found.append("access token")
    return found


def acts_as_client(world: World) -> list[str]:
    found = []
    for secret in world.secrets:
        client = Credentials(world.client, secret)
        if world.app.endpoint.client_credentials(client, audience="my-os").status == 200:
            found.append("secret")
    with world.deployment.services.administration.reading() as work:
        client = work.clients.get(world.client)
    found += ["key"] if client.jwks else []
    found += ["trust"] if client.trusts else []
    found += ["redirect URI"] if EVIL in client.redirect_uris else []
    return found


@pytest.fixture(scope="module")
def stage(shared: Deployment) -> App:
    """An application of administrators, and attackers with all write scopes."""
    shared.role("administrator", ["issuer:admin"])
    shared.role("writer", WRITE)
    shared.user("attacker", id="attacker", password=PASSWORD, roles=["writer"])
    app = shared.client(
        "admins-app",
        audiences=[URL, "my-os"],
        grant_types=GRANTS,
        redirect_uris=[CALLBACK],
        user_rights="all",
    )
    return App(TokenDriver(shared.http), app)


@given(st.lists(steps, max_size=8), st.sampled_from(PROMOTIONS), st.lists(steps, max_size=5))
@example([take_over], promote_user, [])
@example([take_over, authorize_application], change_role, [])
@example([take_over, change_password], apply_manifest, [])
@example([take_over_by_invitation, add_passkey], promote_user, [use_passkeys])
@example([take_over, add_passkey, sets_password], promote_user, [])
@example([invite], promote_user, [accept])
@example([take_over, authorize_application, join], promote_group, [])
@example([take_over, make_group_anew], promote_group, [begin_session])
@example([take_over, add_passkey], promote_member, [use_passkeys])
@example([add_secret, add_trust], give_scopes, [add_secret])
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_no_preparation_acts_as_somebody_with_rights(
    shared: Deployment,
    stage: App,
    before: list[Step],
    promotion: Callable[[UnitOfWork, World], None],
    after: list[Step],
):
    world = World(shared, stage)
    for step in [*before, partial(administer, change=promotion), *after]:
        step(world)
    if world.holds_rights(world.user):
        assert acts_as_user(world) == []
    if world.holds_rights(world.client):
        assert acts_as_client(world) == []
