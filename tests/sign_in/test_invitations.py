"""Invitations: a link that sets a first password or passkey, on both databases."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from issuer.database.tables import InvitationRow
from issuer.errors import Forbidden, InvalidField, NotAllowed, NotFound
from issuer.roles import Assignment
from issuer.sign_in import InvitationFields
from tests.builders import OPERATOR, PASSWORD, URL, Deployment
from tests.rows import rows
from tests.sign_in.authenticator import Authenticator
from tests.sign_in.people import BROWSER, People


def invited(deployment: Deployment, user_id: str, **fields: object) -> str:
    """The token of a new link."""
    with deployment.changing() as work:
        invitation = work.invitations.create(user_id, InvitationFields.read(fields))
    assert invitation.url.startswith(f"{URL}/invitation/aiv_")
    return invitation.url.rpartition("/")[2]


def accept(deployment: Deployment, token: str, password: str = PASSWORD) -> str:
    prepared = deployment.services.sign_in.passwords.prepared(password)
    with deployment.changing() as work:
        return work.invitations.accept_with_password(token, prepared)


def is_valid(deployment: Deployment, token: str) -> bool:
    with deployment.services.administration.reading() as work:
        return work.invitations.find(token) is not None


def test_an_invitation_sets_a_password_once(deployment: Deployment):
    alice = deployment.user(password=None)
    token = invited(deployment, alice)
    assert accept(deployment, token) == alice
    assert deployment.services.sign_in.sign_in.authenticate("alice", PASSWORD).id == alice
    assert not is_valid(deployment, token)
    with pytest.raises(NotAllowed, match="used already"):
        accept(deployment, token, "another correct horse")


def test_without_mail_no_invitation_goes_by_email(deployment: Deployment):
    """Nobody would send it, and accepting a link that an operator sends verifies no address."""
    bob = deployment.user("bob", password=None, email="bob@example.com")
    with pytest.raises(InvalidField, match="needs mail, which is off: set ISSUER_SMTP_URL"):
        invited(deployment, bob, by_email=True)
    accept(deployment, invited(deployment, bob))
    with deployment.changing() as work:
        assert not work.users.get(bob).email_verified


def test_a_new_link_tells_of_the_one_that_it_replaces(deployment: Deployment):
    bob = deployment.user("bob", password=None)

    def replaced() -> datetime | None:
        with deployment.changing() as work:
            return work.invitations.create(bob, InvitationFields()).replaces

    assert replaced() is None
    assert replaced() == deployment.clock() + timedelta(hours=72)
    deployment.wait(timedelta(hours=72))
    assert replaced() is None, "the earlier one has expired"
    accept(deployment, invited(deployment, bob))
    assert replaced() is None, "the earlier one was used"


def test_one_of_many_requests_accepts(deployment: Deployment):
    token = invited(deployment, deployment.user(password=None))

    def attempt(_: int) -> bool:
        try:
            accept(deployment, token)
        except NotAllowed:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(attempt, range(4))) == 1


def test_a_refused_password_uses_nothing_up(deployment: Deployment):
    alice = deployment.user("alice-the-longnamed", password=None)
    token = invited(deployment, alice)
    with pytest.raises(InvalidField, match="user name"):
        accept(deployment, token, "alice-the-longnamed")
    assert accept(deployment, token) == alice


def test_an_invitation_expires(deployment: Deployment):
    alice = deployment.user(password=None)
    short, default = invited(deployment, alice, lifetime=300), timedelta(hours=72)
    deployment.wait(timedelta(minutes=5))
    assert not is_valid(deployment, short)
    with pytest.raises(NotAllowed):
        accept(deployment, short)
    token = invited(deployment, alice)
    deployment.wait(default - timedelta(seconds=1))
    assert is_valid(deployment, token)


@rows("lifetime", [0, 299, "31d", -1, True, 1.5, "soon"])
def test_a_lifetime_out_of_bounds_is_refused(lifetime: object):
    with pytest.raises(InvalidField, match="lifetime"):
        InvitationFields.read({"lifetime": lifetime})


def test_a_new_invitation_replaces_the_earlier_one(deployment: Deployment):
    alice = deployment.user(password=None)
    first, second = invited(deployment, alice), invited(deployment, alice)
    assert (is_valid(deployment, first), is_valid(deployment, second)) == (False, True)


def test_an_invitation_can_be_deleted(deployment: Deployment):
    token = invited(deployment, alice := deployment.user(password=None))
    with deployment.changing() as work:
        work.invitations.delete(alice)
    assert not is_valid(deployment, token)
    with pytest.raises(NotFound), deployment.changing() as work:
        work.invitations.delete(alice)


def test_a_password_set_otherwise_ends_the_invitation(deployment: Deployment):
    """An old link must not change the password later."""
    token = invited(deployment, alice := deployment.user(password=None))
    prepared = deployment.services.sign_in.passwords.prepared(PASSWORD)
    with deployment.changing() as work:
        work.users.set_password(alice, prepared)
    assert not is_valid(deployment, token)


def test_disabled_and_deleted_users_have_no_invitation(deployment: Deployment):
    token = invited(deployment, alice := deployment.user(password=None))
    with deployment.changing() as work:
        work.users.update(alice, {"disabled": True})
    assert not is_valid(deployment, token)
    with pytest.raises(NotAllowed, match="disabled"):
        invited(deployment, alice)
    with deployment.changing() as work:
        work.users.delete(alice)
    assert not is_valid(deployment, token)


@pytest.fixture
def alice_is_invited(deployment: Deployment) -> None:
    invited(deployment, deployment.user(password=None))


@rows("token", ["", "aiv_", "\0", "\ud800", "x" * 9000, "aiv_" + "0" * 51])
def test_any_text_may_be_sent_as_a_token(
    deployment: Deployment, alice_is_invited: None, token: str
):
    assert not is_valid(deployment, token)
    with pytest.raises(NotAllowed):
        accept(deployment, token)


def test_an_invitation_adds_a_passkey_as_the_only_way_to_sign_in(
    people: People, deployment: Deployment
):
    token = invited(deployment, alice := deployment.user(password=None))
    authenticator = registered(people, deployment, alice, token)
    assert people.sign_in(authenticator).user.id == alice
    assert not is_valid(deployment, token)


def test_an_invitation_does_not_replace_a_second_factor(people: People, deployment: Deployment):
    """Whoever reads the link would otherwise need nothing else."""
    app = people.app_of(alice := deployment.user())
    token = invited(deployment, alice)
    with pytest.raises(NotAllowed, match="password"):
        registered(people, deployment, alice, token)
    accept(deployment, token, "another correct horse")
    assert people.check(alice, app.code()) == "done"


def test_an_invitation_takes_no_passkey_of_another_user(people: People, deployment: Deployment):
    token = invited(deployment, deployment.user(password=None))
    with pytest.raises(NotAllowed, match="another user"):
        registered(people, deployment, deployment.user("bob"), token)
    assert is_valid(deployment, token)


def test_only_an_admin_invites_users_with_rights_at_the_issuer(deployment: Deployment):
    alice, bob = deployment.user(password=None), deployment.user("bob", password=None)
    deployment.role("reader", ["issuer:audit:read"])
    with deployment.changing() as work:
        work.assignments.assign(alice, Assignment(role="reader"))
        work.invitations.create(alice, InvitationFields())
    administration, held = deployment.services.administration, ["issuer:users:write"]
    with pytest.raises(Forbidden), administration.changing(OPERATOR, held) as work:
        work.invitations.create(alice, InvitationFields())
    with pytest.raises(Forbidden), administration.changing(OPERATOR, held) as work:
        work.invitations.delete(alice)
    with administration.changing(OPERATOR, held) as work:
        work.invitations.create(bob, InvitationFields())


def test_the_token_is_neither_stored_nor_audited(people: People, deployment: Deployment):
    token = invited(deployment, deployment.user(password=None))
    accept(deployment, token)
    with deployment.services.database.reading() as session:
        assert session.scalars(select(InvitationRow)).all() == []
    created, accepted = people.events("invitation.created"), people.events("invitation.accepted")
    assert list(created[0]) == ["expires_at"]
    assert accepted == [{}]


def registered(people: People, deployment: Deployment, user_id: str, token: str) -> Authenticator:
    passkeys, authenticator = people.parts.passkeys, Authenticator(URL)
    options = passkeys.registration_options(user_id, "alice", BROWSER, [], must_verify_user=True)
    answer = authenticator.create(options)
    passkey = passkeys.verify_registration(answer, user_id, BROWSER, must_verify_user=True)
    with deployment.changing() as work:
        work.invitations.accept_with_passkey(token, passkey, "Phone")
    return authenticator
