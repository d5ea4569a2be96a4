"""No order of links, claims, groups and changes gives somebody rights at the issuer, on both
databases.

A helper who may write users, and has accounts at the trusted issuer, does whatever they may. The
trusted issuer is honest: it never says that the helper is an administrator.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from issuer.audit import Actor
from issuer.composition import UnitOfWork
from issuer.database.tables import UserRow
from issuer.errors import Forbidden, IssuerError
from issuer.roles import Assignment
from issuer.sign_in import InvitationFields
from tests.builders import URL, Deployment, hashed
from tests.people_of_others import Company, company, helpdesk

USERS = ("first", "second", "third")
GROUPS = {"boss": ["admins", "all"], "staff": ["all"], "helper": ["all"], "helper-2": ["all"]}
OF_HELPER = ("helper", "helper-2")
KNOWN = hashed("known to the helper", "owasp")
ADMIN = Assignment(role="admin", audience=URL)
_numbers = count(1)


@dataclass
class HelperAtWork:
    """What the helper tries in one example, at users of its own."""

    here: Company
    begin: Callable[[], Any]
    number: int = field(default_factory=lambda: next(_numbers))
    users: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.reset()
        for each in USERS:
            self.users[each] = self.here.deployment.user(f"{each}-{self.number}", password=None)

    def reset(self) -> None:
        """What an administrator decides once, as every example finds it."""
        with self.here.deployment.changing() as work:
            work.roles.update("everybody", {"scopes": ["agents:read"]})
        self.here.change(disabled=False)
        self.map_admins(URL)

    @contextmanager
    def as_helper(self) -> Iterator[UnitOfWork]:
        with self.begin() as work:
            yield work

    @contextmanager
    def as_admin(self) -> Iterator[UnitOfWork]:
        with self.here.deployment.changing() as work:
            yield work

    @contextmanager
    def as_user(self, name: str) -> Iterator[UnitOfWork]:
        """As the pages of `/account`, in a session of the helper who signs in as the user."""
        if not self.helper_signs_in_as(self.users[name]):
            raise Forbidden(None)
        administration = self.here.deployment.services.administration
        with administration.changing(Actor(self.users[name])) as work:
            yield work

    def subject(self, who: str) -> str:
        return f"{who}-{self.number}"

    def link(self, work: UnitOfWork, name: str, who: str) -> None:
        grantor = work.authority.grantor_to(self.users[name])
        work.identities.link(self.users[name], "company", self.subject(who), "", grantor)

    def arrive(self, who: str) -> None:
        """With the name and the address of somebody else, and groups that nobody maps."""
        self.here.arrive(
            self.subject(who),
            groups=[*GROUPS[who], "issuer:admin", "admin"],
            preferred_username=f"{who}-{self.number}",
            email="boss@company.example",
        )

    def map_admins(self, audience: str | None) -> None:
        mapped = [{"group": "all", "role": "everybody", "audience": None}]
        if audience is not None:
            mapped.append({"group": "admins", "role": "admin", "audience": audience})
        self.here.change(sign_in={"roles": mapped})

    def helper_signs_in_as(self, user_id: str) -> bool:
        administration = self.here.deployment.services.administration
        with administration.reading() as work:
            row = work.users._store.get(user_id)
            assert isinstance(row, UserRow)
            linked = {each.subject for each in work.identities.of_user(user_id)}
        knows_password = row.password_hash == KNOWN.hash
        return knows_password or not linked.isdisjoint(map(self.subject, OF_HELPER))

    def check(self) -> None:
        administration = self.here.deployment.services.administration
        for name, user_id in self.users.items():
            with administration.reading() as work:
                holds = work.authority.holds_rights(user_id)
            assert not (holds and self.helper_signs_in_as(user_id)), name


def _change_role(world: HelperAtWork, scopes: list[str]) -> None:
    with world.as_admin() as work:
        work.roles.update("everybody", {"scopes": scopes})


def _helper_password(world: HelperAtWork, name: str, _: str) -> None:
    with world.as_helper() as work:
        work.users.set_password(world.users[name], KNOWN)


def _helper_invites(world: HelperAtWork, name: str, _: str) -> None:
    """And accepts the invitation at once."""
    with world.as_helper() as work:
        url = work.invitations.create(world.users[name], InvitationFields()).url
    administration = world.here.deployment.services.administration
    with administration.changing(Actor("the invited user")) as work:
        work.invitations.accept_with_password(url.rpartition("/")[2], KNOWN)


def _helper_links(world: HelperAtWork, name: str, who: str) -> None:
    with world.as_helper() as work:
        world.link(work, name, who)


def _helper_unlinks(world: HelperAtWork, name: str, _: str) -> None:
    with world.as_helper() as work:
        for each in work.identities.of_user(world.users[name]):
            work.identities.unlink(world.users[name], each.id)


def _user_links(world: HelperAtWork, name: str, who: str) -> None:
    with world.as_user(name) as work:
        world.link(work, name, who)


def _user_password(world: HelperAtWork, name: str, _: str) -> None:
    with world.as_user(name) as work:
        work.users.set_password(world.users[name], KNOWN)


def _admin_links(world: HelperAtWork, name: str, who: str) -> None:
    """Never an account of the helper."""
    if who not in OF_HELPER:
        with world.as_admin() as work:
            world.link(work, name, who)


def _admin_password(world: HelperAtWork, name: str, _: str) -> None:
    with world.as_admin() as work:
        work.users.set_password(world.users[name], hashed("of the person alone", "owasp"))


def _admin_promotes(world: HelperAtWork, name: str, _: str) -> None:
    with world.as_admin() as work:
        work.assignments.assign(world.users[name], ADMIN)


def _admin_demotes(world: HelperAtWork, name: str, _: str) -> None:
    with world.as_admin() as work:
        work.assignments.unassign(world.users[name], ADMIN)


STEPS: tuple[Callable[[HelperAtWork, str, str], None], ...] = (
    _helper_password,
    _helper_invites,
    _helper_links,
    _helper_unlinks,
    _user_links,
    _user_password,
    _admin_links,
    _admin_password,
    _admin_promotes,
    _admin_demotes,
    lambda world, _, who: world.arrive(who),
    lambda world, *_: world.map_admins(URL),
    lambda world, *_: world.map_admins(None),
    lambda world, *_: world.here.change(disabled=True),
    lambda world, *_: world.here.change(disabled=False),
    lambda world, *_: _change_role(world, ["agents:read", "issuer:admin"]),
    lambda world, *_: _change_role(world, ["agents:read"]),
)
SEQUENCES = st.lists(
    st.tuples(st.sampled_from(STEPS), st.sampled_from(USERS), st.sampled_from([*GROUPS])),
    min_size=3,
    max_size=12,
)


@pytest.fixture
def world(deployment: Deployment) -> Callable[[], HelperAtWork]:
    deployment.role("admin", ["issuer:admin"])
    deployment.role("everybody", ["agents:read"])
    here, begin = company(deployment), helpdesk(deployment)
    return lambda: HelperAtWork(here, begin)


@given(SEQUENCES)
@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_no_sequence_gives_the_helper_rights_at_the_issuer(
    world: Callable[[], HelperAtWork], steps: list[tuple[Callable[..., None], str, str]]
):
    tried = world()
    for step, name, who in steps:
        with suppress(IssuerError):  # refused, which is an answer
            step(tried, name, who)
        tried.check()


@pytest.mark.parametrize(
    "steps",
    [
        [(_helper_links, "boss"), (lambda w, *_: w.arrive("boss"), "boss")],
        [(_helper_links, "helper"), (_admin_links, "boss"), (lambda w, *_: w.arrive("boss"), "")],
        [(_helper_links, "helper"), (_user_links, "helper-2"), (_admin_promotes, "")],
        [(_helper_links, "helper"), (_user_password, ""), (_admin_promotes, "")],
        [(_helper_links, "helper"), (_admin_password, ""), (_user_password, ""),
         (_admin_promotes, "")],
        [(_admin_password, ""), (_helper_links, "helper"), (_user_password, ""),
         (_admin_promotes, "")],
        [(_admin_promotes, ""), (_helper_links, "helper")],
        [(_helper_password, ""), (_user_links, "helper"), (_admin_links, "boss"),
         (lambda w, *_: w.arrive("boss"), "")],
    ],
)  # fmt: skip
def test_known_ways_are_closed(world: Callable[[], HelperAtWork], steps: list[tuple[Any, str]]):
    tried = world()
    for step, who in steps:
        with suppress(IssuerError):
            step(tried, "first", who)
        tried.check()
