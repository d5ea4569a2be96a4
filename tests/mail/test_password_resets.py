"""Password resets: who gets a link, what ends it, and what it gives."""

import json
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from issuer.audit import Actor
from issuer.errors import InvalidCredentials, InvalidField, NotAllowed
from issuer.groups import GroupFields
from issuer.mail.messages import MOST_TO_A_USER
from issuer.roles import Assignment
from issuer.sign_in.link_tokens import LinkTokens
from issuer.sign_in.password_resets import LIFETIME, MOST_OF_AN_ADDRESS
from tests.builders import PASSWORD, Deployment, hashed
from tests.mail.sending import events, link_in, wait_for_mail
from tests.mail.smtp_server import SmtpReceiver
from tests.people_of_others import company
from tests.rows import rows
from tests.sign_in.authorizing import sign_in
from tests.sign_in.people import People

ADDRESS = "ada@example.com"
NEW = "a password that ada has chosen"
SOMEBODY = Actor(None, "r-1", "198.51.100.7")
MANAGER = Actor("manager")


@pytest.fixture
def auditor(deployment: Deployment) -> str:
    """A role with rights at the issuer."""
    return deployment.role("auditor", ["issuer:audit:read"])


@pytest.fixture
def ada(deployment: Deployment) -> str:
    return user(deployment)


def user(deployment: Deployment, username: str = "ada", **fields: object) -> str:
    fields = {"email": ADDRESS, "email_verified": True, **fields}
    return deployment.user(username, id=f"{username}-id", **fields)


def request(deployment: Deployment, name: str = "ada") -> None:
    """As the page does; returns when everything is sent."""
    deployment.services.administration.request_password_reset(name, SOMEBODY)
    wait_for_mail(deployment)


def link(deployment: Deployment, receiver: SmtpReceiver, name: str = "ada") -> str:
    """The token that is sent."""
    request(deployment, name)
    return token_in(receiver)


def token_in(receiver: SmtpReceiver) -> str:
    path = link_in(receiver.next().get_content())
    assert path.startswith("/password-reset/")
    return path.rpartition("/")[2]


def reset(deployment: Deployment, token: str, password: str = NEW) -> None:
    prepared = deployment.services.sign_in.passwords.prepared(password)
    with deployment.services.administration.changing(SOMEBODY, held=()) as work:
        work.password_resets.complete(token, prepared)


def works(deployment: Deployment, token: str) -> bool:
    with deployment.services.administration.reading(held=()) as work:
        return work.password_resets.find(token) is not None


def signs_in(deployment: Deployment, password: str, username: str = "ada") -> bool:
    try:
        deployment.services.sign_in.sign_in.authenticate(username, password)
    except InvalidCredentials:
        return False
    return True


def reasons(deployment: Deployment) -> list[object]:
    """Why requests sent nothing."""
    return [each.details.get("reason") for each in events(deployment, "password_reset.requested")]


def test_a_link_sets_another_password_once(
    deployment: Deployment, ada: str, receiver: SmtpReceiver
):
    first, second = link(deployment, receiver), link(deployment, receiver)
    assert signs_in(deployment, PASSWORD), "asking changes nothing"
    reset(deployment, first)
    assert (signs_in(deployment, PASSWORD), signs_in(deployment, NEW)) == (False, True)
    for token in (first, second):
        with pytest.raises(NotAllowed, match="used already"):
            reset(deployment, token, "yet another password")
    (completed,) = events(deployment, "password_reset.completed")
    assert completed.target == ada


def test_a_user_is_found_by_name_or_verified_address_in_any_case(
    deployment: Deployment, ada: str, receiver: SmtpReceiver
):
    for name in ("ADA", "Ada@Example.COM", ADDRESS):
        assert works(deployment, link(deployment, receiver, name))


def test_an_address_that_the_provider_of_a_user_names_no_more_gets_no_link(
    deployment: Deployment, receiver: SmtpReceiver
):
    """Whoever has got the address since must not get the user with it."""
    there = company(deployment, provision=True)
    user_id = there.arrive(email=ADDRESS).user.id
    with deployment.changing() as work:
        work.users.set_password(user_id, hashed(PASSWORD, "owasp"))
    earlier = link(deployment, receiver, ADDRESS)
    there.arrive(email="alice@new.example")
    assert not works(deployment, earlier)
    request(deployment, ADDRESS)
    assert receiver.is_empty
    request(deployment, "alice")
    assert receiver.next()["To"] == "alice@new.example"
    there.arrive(email=None)
    request(deployment, "alice@new.example")
    request(deployment, "alice")
    assert receiver.is_empty


def test_users_who_share_an_address_get_a_link_each(deployment: Deployment, receiver: SmtpReceiver):
    names = [f"user-{number}" for number in range(MOST_OF_AN_ADDRESS + 1)]
    for name in names:
        user(deployment, name)
    request(deployment, ADDRESS)
    sent = [receiver.next().get_content() for _ in range(MOST_OF_AN_ADDRESS)]
    assert receiver.is_empty
    assert {name for name in names if any(f"name: {name}\r" in text for text in sent)} == {
        *names[:MOST_OF_AN_ADDRESS]
    }


def test_a_user_name_that_is_the_address_of_another_gives_nothing_of_the_other(
    deployment: Deployment, ada: str, receiver: SmtpReceiver
):
    deployment.user(ADDRESS, id="eve-id", email="eve@example.com", email_verified=True)
    request(deployment, ADDRESS)
    found = {message["To"]: message for message in (receiver.next(), receiver.next())}
    assert f"User name: {ADDRESS}" in found["eve@example.com"].get_content()
    assert "User name: ada" in found[ADDRESS].get_content()


@rows(
    ("name", "fields", "reason"),
    [
        ("unverified", {"email_verified": False}, "no verified address"),
        ("addressless", {"email": None, "email_verified": False}, "no verified address"),
        ("disabled", {"disabled": True}, "disabled user"),
        ("passwordless", {"password": None}, "no password"),
        ("auditor", {"roles": ["auditor"]}, "rights at the issuer"),
        ("quoted", {"email": "a,b@example.com"}, "The address cannot receive mail."),
    ],
)
def test_nobody_else_gets_a_link(
    deployment: Deployment,
    auditor: str,
    receiver: SmtpReceiver,
    name: str,
    fields: dict[str, object],
    reason: str,
):
    user(deployment, name, **fields)
    request(deployment, name)
    assert reasons(deployment)[0] == reason
    assert receiver.is_empty


def test_an_unknown_name_is_audited_without_the_name(
    deployment: Deployment, receiver: SmtpReceiver
):
    for name in ("nobody", "nobody@example.com", "\0", "\ud800@x", "x" * 1024):
        request(deployment, name)
    assert reasons(deployment) == ["unknown user"] * 5
    said = json.dumps([dict(e.details) for e in events(deployment, "password_reset.requested")])
    assert "nobody" not in said
    assert receiver.is_empty


def test_a_user_is_not_sent_links_without_end(
    deployment: Deployment, ada: str, receiver: SmtpReceiver
):
    for _ in range(MOST_TO_A_USER + 3):
        request(deployment)
    assert receiver.messages.qsize() == MOST_TO_A_USER
    assert sum(reason is not None for reason in reasons(deployment)) == 3


def test_a_link_expires(deployment: Deployment, ada: str, receiver: SmtpReceiver):
    token = link(deployment, receiver)
    deployment.clock.move(LIFETIME - timedelta(seconds=1))
    assert works(deployment, token)
    deployment.clock.move(timedelta(seconds=1))
    assert not works(deployment, token)
    with pytest.raises(NotAllowed):
        reset(deployment, token)


@rows(
    ("name", "change"),
    [
        ("moved", {"email": "ada@example.org", "email_verified": True}),
        ("unverified", {"email_verified": False}),
        ("disabled", {"disabled": True}),
        ("renamed", {"username": "lovelace"}),
        ("called", {"name": "Ada"}),
    ],
)
def test_a_link_ends_where_the_user_changes(
    deployment: Deployment, receiver: SmtpReceiver, name: str, change: dict[str, object]
):
    user_id = user(deployment, name)
    token = link(deployment, receiver, name)
    assert works(deployment, token)
    with deployment.changing() as work:
        work.users.update(user_id, change)
    assert not works(deployment, token)


def test_a_link_does_not_come_back_with_what_changed(
    deployment: Deployment, ada: str, receiver: SmtpReceiver
):
    token = link(deployment, receiver)
    with deployment.changing() as work:
        work.users.update(ada, {"disabled": True})
    with deployment.changing() as work:
        work.users.update(ada, {"disabled": False})
    assert not works(deployment, token)
    token = link(deployment, receiver)
    with deployment.changing() as work:
        work.users.delete(ada)
    user(deployment)
    assert not works(deployment, token)


def test_a_reset_ends_sessions_and_keeps_second_factors(
    deployment: Deployment, ada: str, receiver: SmtpReceiver
):
    people = People(deployment, deployment.clock)
    app = people.app_of(ada)
    session = sign_in(deployment, ada)
    sessions = deployment.services.people.sessions
    assert sessions.find(session.cookie)
    reset(deployment, link(deployment, receiver))
    assert sessions.find(session.cookie) is None
    assert people.check(ada, app.code()) == "done"
    assert not signs_in(deployment, NEW), "the password alone is not enough"


def test_a_reset_unlocks_the_user(deployment: Deployment, ada: str, receiver: SmtpReceiver):
    for _ in range(12):
        signs_in(deployment, "wrong")
    assert not signs_in(deployment, PASSWORD)
    reset(deployment, link(deployment, receiver))
    assert signs_in(deployment, NEW)


def test_a_refused_password_uses_nothing_up(deployment: Deployment, receiver: SmtpReceiver):
    user(deployment, "ada-the-longnamed")
    token = link(deployment, receiver, "ada-the-longnamed")
    with pytest.raises(InvalidField, match="user name"):
        reset(deployment, token, "ada-the-longnamed")
    assert works(deployment, token)


def promote(deployment: Deployment, user_id: str) -> None:
    with deployment.changing() as work:
        work.assignments.assign(user_id, Assignment(role="auditor"))


def demote(deployment: Deployment, user_id: str) -> None:
    with deployment.changing() as work:
        work.assignments.unassign(user_id, Assignment(role="auditor"))


def managed(deployment: Deployment) -> str:
    """A user whose password an administrator set, and whose address a manager set and verified."""
    ada = deployment.user("ada", id="ada-id")
    deployment.role("auditor", ["issuer:audit:read"])
    change = {"email": "manager@example.com", "email_verified": True}
    administration = deployment.services.administration
    with administration.changing(MANAGER, ["issuer:users:write"]) as work:
        work.users.update(ada, change)
    return ada


def test_rights_of_a_group_count_as_well(
    deployment: Deployment, ada: str, auditor: str, receiver: SmtpReceiver
):
    token = link(deployment, receiver)
    with deployment.changing() as work:
        group = work.groups.create(GroupFields.read({"name": "auditors"}))
        work.assignments.assign(group.id, Assignment(role=auditor))
        work.groups.add_members(group.id, [ada])
    assert not works(deployment, token)
    request(deployment)
    assert reasons(deployment)[0] == "rights at the issuer"
    assert receiver.is_empty


def test_whoever_set_the_address_gets_no_link_after_a_promotion(
    deployment: Deployment, receiver: SmtpReceiver
):
    ada = managed(deployment)
    promote(deployment, ada)
    request(deployment)
    assert reasons(deployment) == ["rights at the issuer"]
    assert receiver.is_empty
    assert signs_in(deployment, PASSWORD), "an administrator gave this password"


def test_a_link_from_before_a_promotion_is_dead(deployment: Deployment, receiver: SmtpReceiver):
    ada = managed(deployment)
    token = link(deployment, receiver)
    promote(deployment, ada)
    assert not works(deployment, token)
    with pytest.raises(NotAllowed):
        reset(deployment, token)
    assert signs_in(deployment, PASSWORD)


def test_a_password_that_was_reset_before_a_promotion_ends_with_it(
    deployment: Deployment, receiver: SmtpReceiver
):
    """The manager reads the mail, sets the password, and waits."""
    ada = managed(deployment)
    reset(deployment, link(deployment, receiver))
    assert signs_in(deployment, NEW)
    promote(deployment, ada)
    assert not signs_in(deployment, NEW)
    demote(deployment, ada)
    assert not signs_in(deployment, NEW)


@given(st.text(max_size=200) | st.binary(max_size=90).map(lambda b: b.hex()))
def test_any_text_may_be_sent_as_a_token(text: str):
    read = LinkTokens(b"key").read(text)
    assert read is None or isinstance(read.about, str)


def test_no_other_text_works_as_a_link(deployment: Deployment, ada: str, receiver: SmtpReceiver):
    """Not with one character changed, for another user, or with another time."""
    token = link(deployment, receiver)
    assert works(deployment, token)
    for position in range(0, len(token), 3):
        other = "A" if token[position] != "A" else "B"
        assert not works(deployment, token[:position] + other + token[position + 1 :])
    for text in ("", "x", token + "A", token[:-4], "\0", "\ud800", "=" * 80):
        assert not works(deployment, text)
