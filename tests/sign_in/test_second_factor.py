"""Codes of authenticator apps and recovery codes, on both databases."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from sqlalchemy import select

from issuer.database.tables import RecoveryCodeRow, TotpSecretRow
from issuer.errors import InvalidCredentials, InvalidField, NotAllowed, NotFound
from tests.builders import PASSWORD, Deployment
from tests.sign_in.people import ATTACKER, HOME, AuthenticatorApp, People

STEP = timedelta(seconds=30)


@pytest.mark.parametrize("steps", [-1, 0, 1])
def test_a_code_may_be_one_step_early_or_late(people: People, deployment: Deployment, steps: int):
    """RFC 6238 §5.2."""
    app = people.app_of(alice := deployment.user())
    assert people.check(alice, app.code(steps)) == "done"


@pytest.mark.parametrize("steps", [-2, 2])
def test_a_code_of_another_step_is_refused(people: People, deployment: Deployment, steps: int):
    app = people.app_of(alice := deployment.user())
    assert people.check(alice, app.code(steps)) == "wrong code"


def test_a_code_may_be_typed_with_spaces(people: People, deployment: Deployment):
    app = people.app_of(alice := deployment.user())
    code = app.code()
    assert people.check(alice, f" {code[:3]} {code[3:]} ") == "done"


def test_a_code_is_accepted_once_and_an_earlier_one_never_after_it(
    people: People, deployment: Deployment
):
    """RFC 6238 §5.2: also not in the other steps in which it would be valid."""
    app = people.app_of(alice := deployment.user())
    earlier, code = app.code(-1), app.code()
    assert people.check(alice, code) == "done"
    assert people.check(alice, code) == "code used before"
    deployment.wait(STEP)
    assert people.check(alice, code) == "code used before"
    assert people.check(alice, app.code()) == "done"
    assert people.check(alice, earlier) == "wrong code"


def test_the_code_that_confirmed_an_app_does_not_sign_in(people: People, deployment: Deployment):
    alice = deployment.user()
    with deployment.changing() as work:
        setup = work.factors.begin_totp(alice)
        app = AuthenticatorApp(setup.secret, people.clock)
        work.factors.confirm_totp(alice, setup.sealed, app.code())
    assert people.check(alice, app.code()) == "code used before"


def test_one_of_many_requests_with_the_same_code_succeeds(people: People, deployment: Deployment):
    app = people.app_of(alice := deployment.user())
    together = Barrier(4)

    def check(_: int) -> str:
        together.wait()
        return people.check(alice, app.code())

    with ThreadPoolExecutor(4) as pool:
        outcomes = list(pool.map(check, range(4)))
    assert outcomes.count("done") == 1


def test_an_app_counts_only_after_a_code_of_it(people: People, deployment: Deployment):
    alice = deployment.user()
    with deployment.changing() as work:
        setup = work.factors.begin_totp(alice)
        assert setup.uri.startswith("otpauth://totp/id.example:alice?secret=")
        assert work.factors.resume_totp(alice, setup.sealed) == setup
        with pytest.raises(InvalidField, match="code"):
            work.factors.confirm_totp(alice, setup.sealed, "000000")
        assert work.factors.of_user(alice) == []
    assert deployment.services.sign_in.sign_in.authenticate("alice", PASSWORD).id == alice


def test_each_page_that_adds_an_app_has_a_secret_of_its_own(deployment: Deployment):
    """Somebody else who has the password cannot read the secret that the user confirms."""
    alice = deployment.user()
    with deployment.changing() as work:
        first, second = work.factors.begin_totp(alice), work.factors.begin_totp(alice)
    assert first.secret != second.secret
    assert first.secret not in first.sealed


def test_a_secret_of_another_user_or_of_nobody_is_not_confirmed(deployment: Deployment):
    alice, bob = deployment.user("alice"), deployment.user("bob")
    with deployment.changing() as work:
        of_bob = work.factors.begin_totp(bob).sealed
        for sealed in (of_bob, "", "*", "AAAA", of_bob[:-8], "\ud800"):
            assert work.factors.resume_totp(alice, sealed) is None
            with pytest.raises(NotFound):
                work.factors.confirm_totp(alice, sealed, "000000")


def test_a_second_app_is_refused(people: People, deployment: Deployment):
    alice = deployment.user()
    with deployment.changing() as work:
        earlier = work.factors.begin_totp(alice)
    app = people.app_of(alice)
    with pytest.raises(NotAllowed), deployment.changing() as work:
        work.factors.begin_totp(alice)
    with pytest.raises(NotFound), deployment.changing() as work:
        work.factors.confirm_totp(alice, earlier.sealed, app.code())


def test_no_secret_and_no_recovery_code_is_stored_in_clear(people: People, deployment: Deployment):
    app = people.app_of(deployment.user())
    with deployment.services.database.reading() as session:
        sealed = session.scalars(select(TotpSecretRow.sealed)).one()
        digests = session.scalars(select(RecoveryCodeRow.digest)).all()
    assert app.secret.encode() not in sealed
    assert len(digests) == 10


def test_each_recovery_code_works_once(people: People, deployment: Deployment):
    app = people.app_of(alice := deployment.user())
    first, second = app.recovery_codes[:2]
    assert len(set(app.recovery_codes)) == 10
    assert people.check(alice, first.upper().replace("-", " ")) == "done"
    assert people.check(alice, first) == "wrong code"
    used = people.parts.second_factor.check_code(alice, second, HOME)
    assert used.recovery_codes_left == 8
    assert people.events("factor.recovery_code_used") == [{"left": 8}, {"left": 9}]


def test_recovery_codes_are_of_one_user(people: People, deployment: Deployment):
    app = people.app_of(deployment.user("alice"))
    people.app_of(bob := deployment.user("bob"))
    assert people.check(bob, app.recovery_codes[0]) == "wrong code"


def test_new_recovery_codes_replace_the_old_ones(people: People, deployment: Deployment):
    app = people.app_of(alice := deployment.user())
    with deployment.changing() as work:
        new = work.factors.renew_recovery_codes(alice)
        assert work.factors.recovery_codes_left(alice) == 10
    assert people.check(alice, app.recovery_codes[0]) == "wrong code"
    assert people.check(alice, new[0]) == "done"


def test_codes_are_counted_as_attempts_of_the_user(people: People, deployment: Deployment):
    """Ten wrong ones lock the user, for passwords as well."""
    app = people.app_of(alice := deployment.user())
    for _ in range(10):
        deployment.clock.move(timedelta(minutes=1))
        assert people.check(alice, "000000", ATTACKER) == "wrong code"
    assert people.check(alice, app.code(), ATTACKER) == "locked"
    with pytest.raises(InvalidCredentials, match="wrong"):
        deployment.services.sign_in.sign_in.authenticate_first_factor("alice", PASSWORD, ATTACKER)


def test_a_refused_attempt_uses_up_no_code(people: People, deployment: Deployment):
    app = people.app_of(alice := deployment.user())
    assert people.check(alice, app.code(), HOME) == "done"
    for _ in range(10):
        deployment.clock.move(timedelta(minutes=1))
        people.check(alice, "000000", ATTACKER)
    code, recovery = app.code(), app.recovery_codes[0]
    assert [people.check(alice, each, ATTACKER) for each in (code, recovery)] == ["locked"] * 2
    assert [people.check(alice, each, HOME) for each in (code, recovery)] == ["done"] * 2


def test_the_right_password_does_not_give_more_guesses_at_the_code(
    people: People, deployment: Deployment
):
    """Nor does it make an address known, where attempts would be counted apart."""
    people.app_of(alice := deployment.user())
    sign_in = deployment.services.sign_in.sign_in
    outcomes = []
    for _ in range(12):
        deployment.clock.move(timedelta(minutes=1))
        try:
            sign_in.authenticate_first_factor("alice", PASSWORD, ATTACKER)
        except InvalidCredentials as error:
            outcomes.append(error.reason)
        else:
            outcomes.append(people.check(alice, "000000", ATTACKER))
    assert outcomes == ["wrong code"] * 10 + ["locked"] * 2


def test_the_right_password_alone_is_no_failure(people: People, deployment: Deployment):
    """Someone who closes the page where the code is asked for is not locked out."""
    app = people.app_of(alice := deployment.user())
    for _ in range(12):
        deployment.services.sign_in.sign_in.authenticate_first_factor("alice", PASSWORD, HOME)
    assert deployment.services.sign_in.guard.state_of(alice).failed_attempts == 0
    assert people.check(alice, app.code()) == "done"


def test_a_disabled_user_is_refused_with_a_right_code(people: People, deployment: Deployment):
    app = people.app_of(alice := deployment.user())
    with deployment.changing() as work:
        work.users.update(alice, {"disabled": True})
    assert people.check(alice, app.code()) == "disabled user"


@pytest.mark.parametrize("code", ["", "0", "x" * 10_000, "\0", "\ud800", "１２３４５６", "-" * 64])
def test_any_text_may_be_sent_as_a_code(people: People, deployment: Deployment, code: str):
    people.app_of(alice := deployment.user())
    assert people.check(alice, code) == "wrong code"
