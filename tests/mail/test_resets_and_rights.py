"""Whoever reads the mail of a person never has the password of somebody with rights here.

A manager of users sets addresses and passwords, asks for links and uses them; an administrator
promotes and demotes. In any order, the password that the manager chose does not open an account
while it has rights at the issuer.
"""

import itertools
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from issuer.audit import Actor
from issuer.database.tables import UserRow
from issuer.errors import Forbidden, NotAllowed, NotFound
from issuer.mail import MailMessage
from issuer.roles import Assignment
from tests.builders import Deployment, hashed
from tests.mail.sending import link_in

MANAGER = Actor("manager")
OF_THE_MANAGER, OF_AN_ADMIN = "a password of the manager", "a password of an administrator"
ROLE = Assignment(role="auditor")


class Story:
    """One user, a manager who reads the mail, and an administrator."""

    def __init__(self, deployment: Deployment, number: int) -> None:
        self.deployment = deployment
        self.user = deployment.user(f"user-{number}", id=f"user-{number}", password=OF_AN_ADMIN)
        self.tokens: list[str] = []

    def manages(self, name: str) -> None:
        """What a manager may do; refused where the user has rights here."""
        administration = self.deployment.services.administration
        try:
            with administration.changing(MANAGER, ["issuer:users:write"]) as work:
                if name == "set address":
                    change = {"email": "manager@example.com", "email_verified": True}
                    work.users.update(self.user, change)
                else:
                    work.users.set_password(self.user, hashed(OF_THE_MANAGER, "owasp"))
        except Forbidden:
            assert self.has_rights

    def ask(self) -> None:
        """Ask for a link; the manager reads the message."""
        messages: list[MailMessage] = []
        with self.deployment.services.administration.changing(Actor(), held=()) as work:
            work.password_resets.request(self.user)
            assert work.outbox is not None
            messages, work.outbox.messages = work.outbox.messages, []
        self.tokens += [link_in(each.text).rpartition("/")[2] for each in messages]

    def use(self) -> None:
        """Use every link that was ever sent."""
        for token in self.tokens:
            try:
                with self.deployment.services.administration.changing(MANAGER, held=()) as work:
                    work.password_resets.complete(token, hashed(OF_THE_MANAGER, "owasp"))
            except NotAllowed:
                pass

    def administers(self, name: str) -> None:
        with self.deployment.changing() as work:
            if name == "promote":
                work.assignments.assign(self.user, ROLE)
            elif name == "set password":
                work.users.set_password(self.user, hashed(OF_AN_ADMIN, "owasp"))
            else:
                with suppress(NotFound):
                    work.assignments.unassign(self.user, ROLE)

    @property
    def has_rights(self) -> bool:
        with self.deployment.services.administration.reading() as work:
            return work.authority.holds_rights(self.user)

    @property
    def has_password_of_the_manager(self) -> bool:
        with self.deployment.services.database.reading() as session:
            stored = session.get_one(UserRow, self.user).password_hash
        return stored == hashed(OF_THE_MANAGER, "owasp").hash


STEPS = {
    (ADDRESS := "the manager sets the address"): lambda story: story.manages("set address"),
    "the manager sets the password": lambda story: story.manages("set password"),
    (ASK := "somebody asks for a link"): Story.ask,
    (USE := "the manager uses the links"): Story.use,
    (PROMOTE := "an administrator promotes"): lambda story: story.administers("promote"),
    "an administrator demotes": lambda story: story.administers("demote"),
    "an administrator sets the password": lambda story: story.administers("set password"),
}
numbers = itertools.count(1)


@pytest.mark.parametrize("database_kind", ["sqlite"])
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@example([ADDRESS, ASK, PROMOTE, USE])
@example([ADDRESS, PROMOTE, ASK, USE])
@example([ADDRESS, ASK, USE, PROMOTE])
@given(steps=st.lists(st.sampled_from(sorted(STEPS)), min_size=4, max_size=10))
def test_no_order_of_steps_gives_the_manager_an_account_with_rights(
    deployment: Deployment, auditor: str, steps: list[str]
):
    story = Story(deployment, next(numbers))
    for name in steps:
        STEPS[name](story)
        assert not (story.has_rights and story.has_password_of_the_manager), name


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_the_steps_can_succeed(deployment: Deployment, auditor: str):
    """So that the test above is about something."""
    story = Story(deployment, next(numbers))
    for name in (ADDRESS, ASK, USE):
        STEPS[name](story)
    assert story.has_password_of_the_manager
    STEPS[PROMOTE](story)
    assert story.has_rights
    assert not story.has_password_of_the_manager


@pytest.fixture
def auditor(deployment: Deployment) -> str:
    return deployment.role("auditor", ["issuer:audit:read"])
