"""The rules for users and their passwords, on both databases."""

import gzip
from collections.abc import Callable
from unicodedata import normalize

import pytest

from issuer.errors import AlreadyExists, InvalidCredentials, InvalidField
from issuer.users.passwords import LIST, Passwords, SignIn
from tests.builders import PASSWORD, Deployment
from tests.hashes import hashing_as_in_production
from tests.rows import rows


@pytest.mark.parametrize("taken", ["alice", "ALICE", "\uff21lice"])
def test_user_names_are_unique_by_nfkc_and_case_folding(deployment: Deployment, taken: str):
    deployment.user("Alice")
    with pytest.raises(AlreadyExists):
        deployment.user(taken)


def test_a_user_may_be_renamed_but_not_to_a_name_that_is_taken(deployment: Deployment):
    alice, _ = deployment.user("alice"), deployment.user("bob")
    with deployment.changing() as work:
        assert work.users.update(alice, {"username": "ALICE"}).username == "ALICE"
        assert work.users.get_by_username("alice").id == alice
    with pytest.raises(AlreadyExists), deployment.changing() as work:
        work.users.update(alice, {"username": "Bob"})


def test_a_verified_address_is_verified_until_it_changes(deployment: Deployment):
    """Unless the same request says that the new one is verified, too."""
    alice = deployment.user("alice", email="alice@example.com", email_verified=True)
    for patch, is_verified in (
        ({"name": "Alice"}, True),
        ({"email": "alice@example.com"}, True),
        ({"email": "alice@example.org"}, False),
        ({"email_verified": True}, True),
        ({"email": "alice@example.net", "email_verified": True}, True),
        ({"email": None}, False),
        ({"email": "alice@example.net"}, False),
    ):
        with deployment.changing() as work:
            assert work.users.update(alice, patch).email_verified is is_verified, patch
    for patch in ({"email": None, "email_verified": True}, {"email_verified": "yes"}):
        with pytest.raises(InvalidField, match="email_verified"), deployment.changing() as work:
            work.users.update(alice, patch)


def test_a_program_that_knows_only_the_address_cannot_change_a_verified_one(
    deployment: Deployment,
):
    """Such as one of 0.1.0, during an upgrade."""
    alice = deployment.user("alice", email="alice@example.com", email_verified=True)
    with deployment.services.database.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE users SET email = 'mallory@example.com'")
    with deployment.services.administration.reading() as work:
        assert not work.users.get(alice).email_verified


def test_a_user_can_be_created_with_any_agentos_user_id(deployment: Deployment):
    assert deployment.user("alice", id="alice@example.com") == "alice@example.com"


@rows("password", ["short", "x" * 11, "x" * 257, "", "tab\tin the middle"])
def test_a_password_of_wrong_length_or_with_control_characters_is_refused(
    deployment: Deployment, password: str
):
    with pytest.raises(InvalidField, match="password"):
        deployment.user("alice", password=password)


def test_a_password_may_not_be_the_user_name(deployment: Deployment):
    with pytest.raises(InvalidField, match="password"):
        deployment.user("alice-the-longnamed", password="Alice-The-LongNamed")


@rows(
    "password",
    [
        "qwerty123456",
        "QWERTY123456",
        "1qaz2wsx3edc",
        "passwordpassword",
        "123456123456",
        "12341234123412",
        "aaaaaaaaaaaa",
        "Caf\u00e9-cafe\u0301-caf\u00e9",
    ],
)
def test_a_common_or_repetitive_password_is_refused(password: str):
    with pytest.raises(InvalidField, match=r"common|repeated") as refused:
        Passwords("owasp").prepared(password)
    assert password not in str(refused.value)


@rows("password", [PASSWORD, "qwerty1234567890-or-so", "password then word"])
def test_there_are_no_composition_rules(password: str):
    assert Passwords("owasp").prepared(password).text == password


def test_the_list_of_common_passwords_is_normalized_and_sorted():
    """NFC, case-folded, at least as long as the policy demands, each once and in order."""
    listed = gzip.decompress(LIST.read_bytes()).decode().splitlines()
    assert len(listed) == 42_680
    assert listed == sorted(set(listed))
    assert all(normalize("NFC", each).casefold() == each for each in listed)
    assert min(map(len, listed)) == 12


def test_the_lower_costs_are_those_that_owasp_names():
    with hashing_as_in_production():
        assert "$m=19456,t=2,p=1$" in Passwords("owasp").hash("correct horse battery")


def test_a_hash_is_argon2id_and_never_the_same_twice():
    passwords = Passwords("rfc9106")
    first, second = passwords.hash(PASSWORD), passwords.hash(PASSWORD)
    assert first.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert first != second
    assert passwords.matches(PASSWORD, first)
    assert not passwords.matches(PASSWORD + "x", first)
    assert not passwords.matches(PASSWORD, None)
    assert not passwords.matches("a password of no user", None)


def test_a_user_created_with_the_id_of_a_deleted_one_has_no_assignments(deployment: Deployment):
    deployment.role("runner", ["agents:run"])
    deployment.user("alice", id="alice", roles=["runner"])
    with deployment.changing() as work:
        work.users.delete("alice")
    deployment.user("alice", id="alice", password=None)
    with deployment.changing() as work:
        assert work.assignments.of("alice") == []


class Interrupted(Passwords):
    """Runs `happens` while the hash is computed."""

    def __init__(self, happens: Callable[[], None]) -> None:
        super().__init__("owasp")
        self._happens = happens

    def matches(self, password: str, stored: str | None) -> bool:
        self._happens()
        return super().matches(password, stored)


@pytest.mark.parametrize("change", ["disabled", "password", "deleted and created again"])
def test_a_user_changed_while_the_password_is_hashed_is_refused(
    deployment: Deployment, change: str
):
    """An old password must not get the rights of a new user with the same id."""
    deployment.user("alice", id="alice")

    def happens() -> None:
        with deployment.changing() as work:
            match change:
                case "disabled":
                    work.users.update("alice", {"disabled": True})
                case "password":
                    new = deployment.services.sign_in.passwords.prepared("another password")
                    work.users.set_password("alice", new)
                case _:
                    work.users.delete("alice")
        if change == "deleted and created again":
            deployment.user("carol", id="alice", password="another password")

    services = deployment.services
    sign_in = SignIn(
        services.database, services.tokens.directory, Interrupted(happens), services.sign_in.guard
    )
    with pytest.raises(InvalidCredentials):
        sign_in.authenticate("alice", PASSWORD)
