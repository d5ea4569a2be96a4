"""Passkeys, answered by an authenticator in software, on both databases."""

import json
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from issuer.database.tables import UsedChallengeRow
from issuer.errors import AlreadyExists, InvalidCredentials, InvalidField, NotAllowed
from issuer.languages import in_language
from issuer.sign_in.passkeys import why_not_offered
from tests.builders import PASSWORD, URL, Deployment
from tests.rows import rows
from tests.sign_in.authenticator import Authenticator, encoded
from tests.sign_in.people import BROWSER, HOME, People


def refusal(people: People, answer: dict[str, Any], **more: Any) -> str:
    arguments = {"browser": BROWSER, "actor": HOME, **more}
    with pytest.raises(InvalidCredentials) as refused:
        people.parts.passkey_sign_in.finish(answer, **arguments)
    return refused.value.reason


@pytest.fixture
def alice_with_a_passkey(people: People, deployment: Deployment) -> str:
    people.passkey_of(alice := deployment.user())
    return alice


def test_a_passkey_that_verifies_the_user_signs_in_alone(people: People, deployment: Deployment):
    passkey = people.passkey_of(alice := deployment.user(password=None))
    use = people.sign_in(passkey)
    assert use.user.id == alice
    assert use.methods == ("hwk", "mfa")


def test_a_synced_passkey_is_a_key_in_software(people: People, deployment: Deployment):
    """RFC 8176 §2."""
    passkey = people.passkey_of(deployment.user(), is_synced=True)
    assert people.sign_in(passkey).methods == ("swk", "mfa")


def test_a_passkey_that_does_not_verify_the_user_is_only_a_second_factor(
    people: People, deployment: Deployment
):
    key = people.passkey_of(alice := deployment.user(), verifies_user=False)
    answer = key.get(people.parts.passkey_sign_in.begin(BROWSER))
    assert "verification is required" in refusal(people, answer)
    assert people.sign_in(key, alice).user.id == alice


def test_the_request_names_the_passkeys_of_the_user_only_after_the_password(
    people: People, deployment: Deployment
):
    passkey = people.passkey_of(alice := deployment.user())
    alone = json.loads(people.parts.passkey_sign_in.begin(BROWSER))
    second = json.loads(people.parts.passkey_sign_in.begin(BROWSER, alice))
    assert alone.get("allowCredentials", []) == []
    assert [each["id"] for each in second["allowCredentials"]] == [encoded(passkey.credential_id)]
    assert alone["rpId"] == "id.example"
    assert (alone["userVerification"], second["userVerification"]) == ("required", "preferred")


def test_an_answer_signs_in_once(people: People, deployment: Deployment):
    passkey = people.passkey_of(deployment.user(), counts=False)
    answer = passkey.get(people.parts.passkey_sign_in.begin(BROWSER))
    people.parts.passkey_sign_in.finish(answer, BROWSER, HOME)
    assert refusal(people, answer) == "passkey: answered before"


def test_an_answer_from_another_browser_is_refused(people: People, deployment: Deployment):
    passkey = people.passkey_of(deployment.user())
    answer = passkey.get(people.parts.passkey_sign_in.begin(BROWSER))
    assert "challenge" in refusal(people, answer, browser="another browser")


def test_an_answer_after_five_minutes_is_refused(people: People, deployment: Deployment):
    passkey = people.passkey_of(deployment.user())
    answer = passkey.get(people.parts.passkey_sign_in.begin(BROWSER))
    deployment.wait(timedelta(minutes=5))
    assert "challenge" in refusal(people, answer)


def test_an_answer_for_one_purpose_does_not_serve_another(people: People, deployment: Deployment):
    passkey = people.passkey_of(alice := deployment.user())
    as_second = passkey.get(people.parts.passkey_sign_in.begin(BROWSER, alice))
    assert "challenge" in refusal(people, as_second)
    alone = passkey.get(people.parts.passkey_sign_in.begin(BROWSER))
    assert "challenge" in refusal(people, alone, user_id=alice)


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "https://id.example:444", "http://id.example"]
)
def test_an_answer_given_to_another_site_is_refused(
    people: People, deployment: Deployment, origin: str
):
    passkey = people.passkey_of(deployment.user())
    answer = passkey.get(people.parts.passkey_sign_in.begin(BROWSER), origin=origin)
    assert "origin" in refusal(people, answer)


@pytest.mark.parametrize("more_settings", [{"url": f"{URL}:443"}])
def test_a_passkey_signs_in_where_the_url_has_the_default_port(
    people: People, deployment: Deployment
):
    """Which browsers leave out of the origin (RFC 6454 §6.2)."""
    passkey = people.passkey_of(alice := deployment.user())
    assert people.sign_in(passkey).user.id == alice


def test_a_challenge_of_the_caller_is_refused(people: People, deployment: Deployment):
    passkey = people.passkey_of(deployment.user())
    begun = people.parts.passkey_sign_in.begin(BROWSER)
    for challenge in (encoded(bytes(72)), "", "*", encoded(b"short")):
        assert "challenge" in refusal(people, passkey.get(begun, challenge=challenge))


def test_a_sign_counter_that_goes_back_is_refused(people: People, deployment: Deployment):
    """WebAuthn §6.1.1: the passkey was copied."""
    passkey = people.passkey_of(deployment.user())
    people.sign_in(passkey)
    passkey.count = 0
    answer = passkey.get(people.parts.passkey_sign_in.begin(BROWSER))
    assert "sign count" in refusal(people, answer)


def test_a_passkey_of_another_user_is_no_second_factor(people: People, deployment: Deployment):
    alice, bob = deployment.user("alice"), deployment.user("bob")
    theirs = people.passkey_of(bob)
    people.passkey_of(alice)
    answer = theirs.get(people.parts.passkey_sign_in.begin(BROWSER, alice))
    assert refusal(people, answer, user_id=alice) == "unknown passkey"


def test_another_key_with_the_same_id_is_refused(people: People, deployment: Deployment):
    passkey = people.passkey_of(deployment.user())
    forged = Authenticator(URL, credential_id=passkey.credential_id)
    forged.user_handle, forged.count = passkey.user_handle, 7
    answer = forged.get(people.parts.passkey_sign_in.begin(BROWSER))
    assert "signature" in refusal(people, answer)


def test_a_user_handle_of_another_user_is_refused(people: People, deployment: Deployment):
    passkey = people.passkey_of(deployment.user())
    passkey.user_handle = people.parts.passkeys.handle("bob")
    answer = passkey.get(people.parts.passkey_sign_in.begin(BROWSER))
    assert refusal(people, answer) == "passkey: of another user"


@pytest.mark.parametrize("change", [{"disabled": True}, None])
def test_the_passkey_of_a_disabled_or_deleted_user_is_refused(
    people: People, deployment: Deployment, change: dict[str, object] | None
):
    passkey = people.passkey_of(alice := deployment.user())
    answer = passkey.get(people.parts.passkey_sign_in.begin(BROWSER))
    with deployment.changing() as work:
        if change:
            work.users.update(alice, change)
        else:
            work.users.delete(alice)
    assert refusal(people, answer) == ("disabled user" if change else "unknown passkey")


def test_wrong_answers_lock_the_user_as_wrong_passwords_do(people: People, deployment: Deployment):
    passkey = people.passkey_of(deployment.user())
    for _ in range(10):
        deployment.clock.move(timedelta(minutes=1))
        answer = passkey.get(
            people.parts.passkey_sign_in.begin(BROWSER), origin="https://x.example"
        )
        assert "origin" in refusal(people, answer)
    right = passkey.get(people.parts.passkey_sign_in.begin(BROWSER))
    assert refusal(people, right) == "locked"
    with pytest.raises(InvalidCredentials) as refused:
        deployment.services.sign_in.sign_in.authenticate_first_factor("alice", PASSWORD, HOME)
    assert refused.value.reason == "locked"


@rows(
    "answer",
    [
        {},
        {"id": 7},
        {"id": "*", "response": []},
        {"id": "A" * 9000, "response": {"clientDataJSON": encoded(b"[" * 9000)}},
        {
            "id": "AAAA",
            "rawId": "AAAA",
            "type": "public-key",
            "response": {"clientDataJSON": "e30"},
        },
    ],
)
def test_any_json_may_be_sent_as_an_answer(
    people: People, alice_with_a_passkey: str, answer: dict[str, Any]
):
    assert refusal(people, answer) == "unknown passkey"
    with pytest.raises(InvalidField):
        people.parts.passkeys.verify_registration(
            answer, alice_with_a_passkey, BROWSER, must_verify_user=True
        )


@rows("part", ["authenticatorData", "signature", "clientDataJSON", "userHandle"])
@rows("value", [None, "", "*", "AAAA", 7])
def test_any_part_of_an_answer_may_be_malformed(
    people: People, deployment: Deployment, part: str, value: object
):
    alice = deployment.user(f"alice-{part}-{value}")  # ten wrong answers lock a user
    passkey = people.passkey_of(alice)
    answer = passkey.get(people.parts.passkey_sign_in.begin(BROWSER))
    answer["response"][part] = value
    assert refusal(people, answer).startswith("passkey: ")


def test_a_passkey_is_registered_once(people: People, deployment: Deployment):
    passkeys, alice = people.parts.passkeys, deployment.user()
    authenticator = Authenticator(URL)
    options = passkeys.registration_options(alice, "alice", BROWSER, [], must_verify_user=False)
    answer = authenticator.create(options)
    registered = passkeys.verify_registration(answer, alice, BROWSER, must_verify_user=False)
    with deployment.changing() as work:
        work.factors.add_passkey(registered, "Laptop")
    with pytest.raises(InvalidField, match="before"), deployment.changing() as work:
        work.factors.add_passkey(registered, "Laptop")
    again = authenticator.create(
        passkeys.registration_options(alice, "alice", BROWSER, [], must_verify_user=False)
    )
    registered = passkeys.verify_registration(again, alice, BROWSER, must_verify_user=False)
    with pytest.raises(AlreadyExists), deployment.changing() as work:
        work.factors.add_passkey(registered, "Laptop")


def test_a_user_has_at_most_20_passkeys(people: People, deployment: Deployment):
    alice = deployment.user()
    for _ in range(20):
        people.passkey_of(alice)
    with pytest.raises(NotAllowed, match="at most 20 passkeys") as refused:
        people.passkey_of(alice)
    sentence = str(refused.value)
    assert in_language("de")(sentence) != sentence


def test_a_registration_of_another_user_or_browser_is_refused(
    people: People, deployment: Deployment
):
    passkeys, alice = people.parts.passkeys, deployment.user()
    options = passkeys.registration_options(alice, "alice", BROWSER, [], must_verify_user=False)
    answer = Authenticator(URL).create(options)
    for user_id, browser in (("bob", BROWSER), (alice, "another browser")):
        with pytest.raises(InvalidField, match="browser"):
            passkeys.verify_registration(answer, user_id, browser, must_verify_user=False)


def test_a_passkey_that_is_all_one_needs_must_verify_the_user(
    people: People, deployment: Deployment
):
    passkeys, alice = people.parts.passkeys, deployment.user()
    options = passkeys.registration_options(alice, "alice", BROWSER, [], must_verify_user=True)
    assert json.loads(options)["authenticatorSelection"] == {
        "residentKey": "required",
        "requireResidentKey": True,
        "userVerification": "required",
    }
    answer = Authenticator(URL, verifies_user=False).create(options)
    with pytest.raises(InvalidField, match="verification"):
        passkeys.verify_registration(answer, alice, BROWSER, must_verify_user=True)


def test_the_user_handle_does_not_reveal_the_user(people: People, deployment: Deployment):
    """WebAuthn §14.6.1."""
    options = people.parts.passkeys.registration_options(
        "alice@example.com", "alice", BROWSER, [], must_verify_user=False
    )
    assert "alice@example" not in options
    assert len(people.parts.passkeys.handle("x" * 128)) == 32


@rows(
    "url",
    [
        "https://id.example",
        "https://id.example:8443/auth",
        "http://localhost:9000",
        "http://a.localhost",
    ],
)
def test_passkeys_are_offered_at_host_names(url: str):
    assert why_not_offered(url) is None


@rows(
    ("url", "reason"),
    [
        ("http://127.0.0.1:9000", "address 127.0.0.1"),
        ("https://192.0.2.7", "address 192.0.2.7"),
        ("https://[::1]:9000", "address ::1"),
        ("http://id.internal", "https"),
    ],
)
def test_passkeys_are_not_offered_elsewhere_and_the_reason_is_said(url: str, reason: str):
    assert reason in why_not_offered(url)


@pytest.mark.parametrize("more_settings", [{"url": "http://127.0.0.1:9000"}])
def test_an_issuer_at_an_address_asks_for_no_passkey(people: People):
    with pytest.raises(NotAllowed, match="host name"):
        people.parts.passkey_sign_in.begin(BROWSER)


def test_used_challenges_are_deleted_when_nobody_accepts_them(
    people: People, deployment: Deployment
):
    passkey = people.passkey_of(deployment.user())
    answer = passkey.get(people.parts.passkey_sign_in.begin(BROWSER))
    people.parts.passkey_sign_in.finish(answer, BROWSER, HOME)
    people.parts.delete_expired()
    assert refusal(people, answer).startswith("passkey: ")
    deployment.wait(timedelta(minutes=7))
    people.parts.delete_expired()
    with deployment.services.database.reading() as session:
        assert session.scalars(select(UsedChallengeRow)).all() == []


def test_a_passkey_that_was_removed_after_it_was_checked_begins_no_session(
    people: People, deployment: Deployment
):
    """The check and the session are two transactions."""
    use = people.sign_in(people.passkey_of(alice := deployment.user()))
    sessions = deployment.services.people.sessions
    assert sessions.begin(use.user, use.methods, HOME, passkey=use.credential_id)
    with deployment.changing() as work:
        work.factors.reset(alice)
    with pytest.raises(InvalidCredentials) as refused:
        sessions.begin(use.user, use.methods, HOME, passkey=use.credential_id)
    assert refused.value.reason == "passkey removed during sign-in"
    assert sessions.of_user(alice) == []
